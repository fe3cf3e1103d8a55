"""Whitens features: PCA whose directions are scaled to comparable variances."""

from __future__ import annotations

import numpy as np

from and_tf.utils.errors import InputError

_BLOCK_ROWS = 8192
# Float32 features keep about seven digits, so that variances below this share
# of the largest are rounding errors.
_LEAST_VARIANCE = 1e-10


def fit_whitening(
    features: np.ndarray, dim: int, power: float
) -> tuple[np.ndarray, np.ndarray]:
    """Fits the whitening (x − mean) @ projection to features.

    Args:
        features: float32 [N, F].
        dim: D, the number of directions to keep, those of largest variance.
        power: The share of whitening: a direction of variance v is scaled by
            v^(−power / 2). 1 gives all the variance 1; 0 is plain PCA.

    Returns:
        The mean, float32 [F], and the projection, float32 [F, D].

    Raises:
        InputError: If the features vary in fewer than D directions, or are
            not finite.

    References:
        Jégou and Chum, https://doi.org/10.1007/978-3-642-33709-3_55
    """
    mean = features.mean(axis=0, dtype=np.float64)
    if not np.isfinite(mean).all():
        raise InputError(
            "Expected finite features. Received NaN or infinite ones: the "
            "encoder does not suit these pixels, or its weights are broken."
        )
    covariance = np.zeros((len(mean), len(mean)))
    for start in range(0, len(features), _BLOCK_ROWS):
        centred = features[start : start + _BLOCK_ROWS] - mean  # float64
        covariance += centred.T @ centred
    covariance /= max(len(features) - 1, 1)
    variances, directions = np.linalg.eigh(covariance)  # Ascending.
    largest = max(float(variances[-1]), 0.0)
    rank = int((variances > _LEAST_VARIANCE * largest).sum())
    if not 1 <= dim <= rank:
        raise InputError(
            f"Expected 1 to {rank} dimensions of whitened features, as many "
            f"as the {len(features):,} images' features vary in. Received: "
            f"{dim}."
        )
    variances = variances[::-1][:dim]
    directions = directions[:, ::-1][:, :dim]
    # An eigenvector may point either way; this chooses one.
    largest_parts = np.abs(directions).argmax(axis=0)
    directions *= np.sign(directions[largest_parts, np.arange(dim)])
    projection = directions * variances ** (-power / 2)
    return mean.astype(np.float32), projection.astype(np.float32)
