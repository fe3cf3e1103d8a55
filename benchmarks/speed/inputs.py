"""Inputs that all sides draw alike, with NumPy alone."""

from __future__ import annotations

import zlib

import numpy as np


def unit_rows(count: int, dim: int, seed: int = 0) -> np.ndarray:
    """float32 [count, dim], uniform on the unit sphere."""
    draws = np.random.default_rng(seed).standard_normal(
        (count, dim), np.float32
    )
    return draws / np.linalg.norm(draws, axis=1, keepdims=True)


def clustered_rows(
    count: int, dim: int, classes: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows around the centres of some classes, and their labels.

    The centres are the same whatever the seed.

    Returns:
        float32 [count, dim], int64 [count].
    """
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    centres = unit_rows(classes, dim)
    rows = 0.5 * centres[labels] + unit_rows(count, dim, seed + 1)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), labels


def images(count: int, side: int, seed: int = 0) -> np.ndarray:
    """uint8 [count, side, side, 3]."""
    shape = (count, side, side, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def weights(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A layer's first weights, the same for the same name.

    Args:
        name: Of the variable.
        shape: Of a kernel, [H, W, in, out] or [in, out].

    Returns:
        float32, uniform in ±1/√fan_in.
    """
    limit = np.prod(shape[:-1]) ** -0.5
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    return generator.uniform(-limit, limit, shape).astype(np.float32)
