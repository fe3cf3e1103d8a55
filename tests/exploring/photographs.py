"""Makes folders of real photographs, and measures them."""

from __future__ import annotations

import io
import pathlib
from collections.abc import Callable, Iterable

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from and_tf.data import walking
from and_tf.exploring import measuring
from and_tf.exploring.measured import Measured
from and_tf.exploring.store import Store

SIDE = 160
IMAGE_SIZE = 16


def tiles() -> list[Image.Image]:
    """Returns 16 different photographs: parts of two that do not overlap."""
    return [
        Image.fromarray(image[top : top + SIDE, left : left + SIDE])
        for image in load_sample_images().images
        for top in (0, 200)
        for left in range(0, 4 * SIDE, SIDE)
    ]


def encode(images: np.ndarray) -> np.ndarray:
    """Embeds images as their pixels, of mean zero and unit norm."""
    rows = images.reshape(len(images), -1).astype(np.float32)
    rows = rows - rows.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(norms, 1)


def measure(
    root: pathlib.Path,
    store: pathlib.Path,
    encode: Callable[[np.ndarray], np.ndarray] = encode,
    files: Iterable[walking.Parts] | None = None,
    **options: object,
) -> Measured:
    """Measures a folder with a store in another directory."""
    found = walking.walk(str(root)).images if files is None else files
    with Store(store, "0" * 64) as opened:
        return measuring.measure(
            list(found),
            str(root),
            encode,
            opened,
            image_size=IMAGE_SIZE,
            batch_size=4,
            stream=io.StringIO(),
            **options,
        )


def nearest(measured: Measured, k: int = 5) -> np.ndarray:
    """Returns the k nearest neighbours of each row, int64 [N, k]."""
    similarity = measured.embeddings @ measured.embeddings.T
    np.fill_diagonal(similarity, -np.inf)
    return np.argsort(-similarity, axis=1, kind="stable")[:, :k]
