"""Puts originals of the reference beside the images that are copies of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from and_tf.exploring import table
from and_tf.exploring.experiment import Exploration
from and_tf.exploring.measured import REFERENCE


class Shown(NamedTuple):
    """The rows of a page: all images, and behind them originals.

    Attributes:
        table: The table; originals have the split `REFERENCE`, and columns
            that are about the images alone are null.
        paths: The path of each file.
        thumbnails: A JPEG of each image's centre square.
    """

    table: pa.Table
    paths: Sequence[str]
    thumbnails: Sequence[bytes]


def beside(found: Exploration, rows: pa.Table) -> Shown:
    """Returns what the page shows: of the reference only what has a copy.

    For each image this is the original that it agrees with most, and the one
    to keep of its group, so that a reference with thousands of equal images
    does not fill the page.

    Args:
        found: The findings about all images.
        rows: The table of the images.
    """
    images, group = found.images, found.duplicates
    chosen = {leak.reference for leak in found.leaks}
    own = set(group.group[: found.count].tolist()) - {-1}
    for row in np.flatnonzero(images.is_reference).tolist():
        if group.group[row] in own and not group.kind[row]:
            chosen.add(row)
    order = [*range(found.count), *sorted(chosen)]
    return Shown(
        pa.concat_tables([rows, _table(found, sorted(chosen))]),
        [images.path[row] for row in order],
        [images.thumbnails[row] for row in order],
    )


def _table(found: Exploration, chosen: Sequence[int]) -> pa.Table:
    """Returns what the page shows of originals."""
    images, group = found.images.take(chosen), found.duplicates
    columns = {
        "file": images.file,
        "split": [REFERENCE] * len(images),
        "bytes": images.file_bytes,
        "sha256": images.sha256,
        "width": images.width,
        "height": images.height,
        "taken": [taken or None for taken in images.taken],
        "has_place": images.has_place,
        "duplicate_group": group.group[list(chosen)],
        "duplicate_kind": [group.kind[row] or None for row in chosen],
        "keep": group.keep[list(chosen)],
    }
    return table.make(columns, len(images))
