"""Lays embeddings out as points in the plane, near ones near each other."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
import warnings
from typing import Any

import numpy as np

_NEIGHBOURS = 15  # UMAP's default.
_SPREAD = 10.0  # Coordinates reach about this far from the origin.


def has_umap() -> bool:
    """Returns whether the package umap-learn is installed."""
    return importlib.util.find_spec("umap") is not None


def points(
    rows: np.ndarray, index: np.ndarray, similarity: np.ndarray, seed: int
) -> np.ndarray:
    """Computes a map of embeddings by UMAP, or by PCA without its package.

    UMAP keeps neighbours together; distances between far groups mean little.
    PCA keeps the two directions of the largest variance, in which groups
    mostly overlap.

    Args:
        rows: float32 [N, D] of unit norm.
        index: int [N, k], the nearest rows of each row, itself left out.
        similarity: float32 [N, k], their cosines.
        seed: Random seed. UMAP's result depends on the kind of processor too.

    Returns:
        float32 [N, 2], centred.

    References:
        McInnes et al., https://arxiv.org/abs/1802.03426
    """
    count = min(_NEIGHBOURS, index.shape[1])
    if not has_umap() or len(rows) <= count + 2:
        return _scaled(_components(rows))
    with warnings.catch_warnings():
        # It says that a seed means one thread, and that it transforms no
        # further rows with neighbours that it was given.
        warnings.simplefilter("ignore")
        import umap  # Takes seconds, and only an exploration uses it.

        own = np.arange(len(rows))[:, None]
        near = np.concatenate([own, index[:, :count]], axis=1)
        far = np.maximum(1 - similarity[:, :count], 0)
        distance = np.concatenate([np.zeros((len(rows), 1)), far], axis=1)
        found = umap.UMAP(
            n_neighbors=count + 1,
            metric="cosine",
            precomputed_knn=(
                near.astype(np.int32),
                distance.astype(np.float32),
            ),
            init=_scaled(_components(rows)),
            random_state=seed,
            n_jobs=1,
            **_progress(),
        )
        with contextlib.redirect_stdout(io.StringIO()):  # Its own lines.
            found = found.fit_transform(rows)
    return _scaled(np.nan_to_num(found))


def _progress() -> dict[str, Any]:
    """Returns what makes UMAP show its epochs and the time left."""
    if not sys.stderr.isatty():
        return {}
    bar = "map  [{bar:30}] {n_fmt}/{total_fmt}  ETA {remaining}"
    options = {"bar_format": bar, "leave": False, "ascii": " >="}
    return {"verbose": True, "tqdm_kwds": options}


def _components(rows: np.ndarray) -> np.ndarray:
    """Returns the first two principal components, float64 [N, 2]."""
    if min(rows.shape) < 2:
        return np.zeros((len(rows), 2))
    from sklearn.decomposition import PCA  # Takes a second to import.

    return PCA(2, random_state=0).fit_transform(rows)


def _scaled(found: np.ndarray) -> np.ndarray:
    centred = found - found.mean(0)
    reach = np.abs(centred).max() or 1.0
    return (centred * (_SPREAD / reach)).astype(np.float32)
