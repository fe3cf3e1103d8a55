"""Whitens features by a principal component analysis of their own.

The directions in which features vary most often say little about what is in an
image. A linear map that brings the principal components to equal, or more
nearly equal, variance makes cosines compare images by all of them.
"""

from __future__ import annotations

import numpy as np

from and_tf.utils.errors import InputError

# The whitening is fitted to at most this many images, drawn at random, so that
# the features of a large set need not be in memory at once. It is many times
# the number of features of any encoder.
FIT_IMAGES = 100_000
_BLOCK_ROWS = 4096
# Components that vary less than this share of the first one hold rounding
# errors, or there are fewer images than components. Dividing by their deviation
# would make of them the largest components of other images.
_LEAST = 1e-7


def fit_whitening(
    features: np.ndarray, dim: int, power: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Computes the map that whitens features and shortens them to D numbers.

    y = (f − mean) · projection, where column i of the projection is the i-th
    eigenvector of the covariance, divided by λᵢ to the power `power` / 2. The
    result has variances λᵢ^(1 − power): equal ones for a power of 1, those of
    a plain PCA for a power of 0. Components in which the features do not vary,
    such as those beyond the number of images, are 0.

    Args:
        features: float [N, F], one row an image.
        dim: D, the number of components to keep, at most F.
        power: The whitening power, from 0 to 1.

    Returns:
        (mean float32 [F], projection float32 [F, D]).

    Raises:
        InputError: If D is larger than F, there are fewer than two images, or
            features are not finite.

    References:
        Jégou and Chum, https://doi.org/10.1007/978-3-642-33709-3_55

    Examples:
        >>> import numpy as np
        >>> features = np.random.default_rng(0).normal(size=(500, 4))
        >>> mean, projection = fit_whitening(features * [1, 2, 3, 4], 2)
        >>> y = (features * [1, 2, 3, 4] - mean) @ projection
        >>> np.cov(y.T).round(2).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    count, length = features.shape
    check_dim(dim, length)
    if count < 2 or not np.isfinite(features).all():
        raise InputError(
            "Expected finite features of 2 or more images, to whiten them. "
            f"Received {count} images"
            + ("." if count < 2 else ", with NaN or infinite features.")
        )
    mean = features.mean(axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(_covariance(features, mean))
    # `eigh` sorts from the smallest. The sign of an eigenvector is free, and
    # differs from one machine to the next; take the one with a positive sum.
    values, vectors = values[::-1][:dim], vectors[:, ::-1][:, :dim]
    vectors = vectors * np.where(vectors.sum(axis=0) < 0, -1.0, 1.0)
    varies = values > max(values[0], 1e-30) * _LEAST
    factors = np.where(varies, values, 1.0) ** (-power / 2) * varies
    projection = vectors * factors
    return mean.astype(np.float32), projection.astype(np.float32)


def check_dim(dim: int, length: int) -> None:
    """Raises an `InputError` if F features cannot give D components.

    Args:
        dim: D.
        length: F.
    """
    if not 1 <= dim <= length:
        raise InputError(
            f"Expected an --embedding_dim from 1 to {length}, the number of "
            f"features that are whitened. Received: {dim}."
        )


def _covariance(features: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Computes the covariance, float64 [F, F], block by block of rows."""
    total = np.zeros((len(mean), len(mean)))
    for start in range(0, len(features), _BLOCK_ROWS):
        centred = features[start : start + _BLOCK_ROWS] - mean  # float64
        total += centred.T @ centred
    return total / (len(features) - 1)
