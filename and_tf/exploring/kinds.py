"""Says in a word how a copy differs from the image to keep."""

from __future__ import annotations

import numpy as np

from and_tf.exploring import hashes, matching
from and_tf.exploring.kept_copies import Copy
from and_tf.exploring.measured import Measured

EXACT, RESIZED, RECOMPRESSED = "exact", "resized", "recompressed"
CROPPED, EDITED, MIRRORED = "cropped", "edited", "mirrored"
EXIF_ROTATED = "exif rotated"
# How an image is turned clockwise, by numbers of `hashes.turned`; all others
# but 0 are mirrored.
ROTATED = {5: "rotated 90", 3: "rotated 180", 6: "rotated 270"}
# How EXIF's orientations turn the stored image upright, by the same numbers.
_EXIF_TURNS = {1: 0, 2: 1, 3: 3, 4: 2, 5: 4, 6: 5, 7: 7, 8: 6}
# Changes beyond those of compression and scaling, in levels of 255: of the
# mean of a block of the grey thumbnail, of its pixels, and of the colour.
_BLOCK = 4
_MOST_BLOCK, _MOST_PIXEL, _MOST_CHROMA = 3.5, 6.0, 4


def equal(measured: Measured, row: int, kept: int) -> str:
    """Returns the kind of a row whose pixels equal those of the one to keep.

    Args:
        measured: The images.
        row: The row of the copy.
        kept: The row to keep.
    """
    if measured.sha256[row] == measured.sha256[kept]:
        return EXACT
    turned = measured.orientation[row] != measured.orientation[kept]
    return EXIF_ROTATED if turned else EXACT


def of_copy(measured: Measured, row: int, kept: int, copy: Copy) -> str:
    """Returns the kind of a row that is a copy of the one to keep.

    "exif rotated" are two files whose difference in orientation is that of
    their EXIF data: either the pictures are both upright and one is stored
    turned, or they are stored alike and one has lost its orientation.

    Args:
        measured: The images.
        row: The row of the copy.
        kept: The row to keep.
        copy: How the image to keep becomes the copy.
    """
    if copy.is_part:
        return CROPPED
    turns = [
        _EXIF_TURNS[int(measured.orientation[each])] for each in (kept, row)
    ]
    if copy.orientation:
        stored = _after(turns[0], copy.orientation, hashes.inverse(turns[1]))
        if turns[0] != turns[1] and not stored:
            return EXIF_ROTATED
        return ROTATED.get(copy.orientation, MIRRORED)
    if turns[0] != turns[1]:
        return EXIF_ROTATED
    if _is_edited(measured, row, kept):
        return EDITED
    same_size = (
        measured.width[row] == measured.width[kept]
        and measured.height[row] == measured.height[kept]
    )
    return RECOMPRESSED if same_size else RESIZED


def _after(*orientations: int) -> int:
    """Returns the orientation that one after the other gives."""
    corners = np.arange(4).reshape(2, 2)
    result = corners
    for orientation in orientations:
        result = hashes.turned(result, orientation)
    return next(
        each
        for each in range(hashes.ORIENTATIONS)
        if np.array_equal(hashes.turned(corners, each), result)
    )


def _is_edited(measured: Measured, row: int, kept: int) -> bool:
    """Returns whether an image differs by more than compression and size."""
    first, second = matching.small(measured.grey[[row, kept]])
    change = first - second
    blocks = change.reshape(
        matching.SIDE // _BLOCK, _BLOCK, matching.SIDE // _BLOCK, _BLOCK
    ).mean(axis=(1, 3))
    chroma = np.diff(measured.chroma[[row, kept]].astype(int), axis=0)
    return bool(
        np.abs(blocks).max() > _MOST_BLOCK
        or np.abs(change).max() > _MOST_PIXEL
        or np.abs(chroma).max() > _MOST_CHROMA
    )
