"""Writes embeddings with thumbnails for TensorBoard's projector."""

from __future__ import annotations

import io
import pathlib

import numpy as np
from PIL import Image

from and_tf.exploring.outgoing import REMEDY, Outgoing
from and_tf.figures import projector, tiles

DIRECTORY = "tensorboard"
# The projector loads all points as text, which for so many of 256 numbers is
# 40 MB, and their pictures as one sheet of at most 8,192 pixels a side.
MOST_POINTS = 20_000
SIDE = 32  # Of a point's image, in pixels.
_COLUMNS = (
    "file", "cluster_name", "label", "predicted_label", "neighbour_label",
    "split", "duplicate_group", "duplicate_kind", "is_prototype", "is_outlier",
    "outlier_score", "is_label_issue", "label_score",
)  # fmt: skip


def write(images: Outgoing, directory: pathlib.Path) -> pathlib.Path:
    """Writes tensorboard/, which `tensorboard --logdir` shows.

    Args:
        images: The images. Of more than `MOST_POINTS` some are left out, at
            equal distances in the table.
        directory: The directory to write to.

    Returns:
        The directory of the projector's files.
    """
    count = len(images.table)
    shown = min(count, MOST_POINTS)
    rows = np.arange(shown) * count // shown
    columns = images.known(_COLUMNS)
    pictures = [_decoded(images.thumbnails[row]) for row in rows.tolist()]
    cells = [
        [row.get(column, "") for column in columns]
        for _, row in images.rows(columns, rows)
    ]
    projector.write(
        directory / DIRECTORY,
        images.embeddings[rows],
        tiles.sprite(pictures, SIDE),
        SIDE,
        projector.table(columns, cells),
        REMEDY,
    )
    return directory / DIRECTORY


def _decoded(thumbnail: bytes) -> np.ndarray:
    """Decodes a JPEG at the smallest size that is not below a tile's."""
    with Image.open(io.BytesIO(thumbnail)) as image:
        image.draft("RGB", (SIDE, SIDE))
        return np.asarray(image.convert("RGB"))
