"""Writes thumbnails as sheets of tiles, which a page loads in few files."""

from __future__ import annotations

import contextlib
import io
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

from and_tf.utils import atomic_files

TILE = 64  # The side of a tile in pixels.
COLUMNS = ROWS = 32
_QUALITY = 80
_STEM = "thumbnails_"
_REMEDY = (
    "Make room or change --output, then run the same command again; what was "
    "measured before stays."
)


class Layout(NamedTuple):
    """The place of each thumbnail in the sheets.

    Thumbnail i is tile i % (columns · rows) of sheet i // (columns · rows), and
    tiles go row by row. The last sheet has only the rows that it needs.

    Attributes:
        files: The names of the sheets in their directory.
        tile: The side of a tile in pixels.
        columns: The number of tiles in a row.
        rows: The number of rows in a whole sheet.
        total: The number of thumbnails.
    """

    files: tuple[str, ...]
    tile: int
    columns: int
    rows: int
    total: int


def write(thumbnails: Sequence[bytes], directory: pathlib.Path) -> Layout:
    """Writes the sheets, and removes those of an earlier, larger set.

    Args:
        thumbnails: Square JPEGs, see `measures.thumbnail`.
        directory: The directory; it is made if it does not exist.

    Raises:
        InputError: If the disk is full or must not be written to.
    """
    names = []
    step = COLUMNS * ROWS
    for start in range(0, len(thumbnails), step):
        names.append(f"{_STEM}{start // step:05}.jpg")
        content = _sheet(thumbnails[start : start + step])
        atomic_files.write(
            directory / names[-1],
            lambda file, content=content: file.write(content),  # type: ignore[misc]
            _REMEDY,
        )
    for path in directory.glob(f"{_STEM}*.jpg"):
        if path.name not in names:
            with contextlib.suppress(OSError):
                path.unlink()
    return Layout(tuple(names), TILE, COLUMNS, ROWS, len(thumbnails))


def _sheet(thumbnails: Sequence[bytes]) -> bytes:
    """Returns a JPEG of at most `COLUMNS` × `ROWS` tiles."""
    rows = -(-len(thumbnails) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * TILE, rows * TILE))
    for number, thumbnail in enumerate(thumbnails):
        with Image.open(io.BytesIO(thumbnail), formats=("JPEG",)) as image:
            tile = image.convert("RGB").resize((TILE, TILE))
        row, column = divmod(number, COLUMNS)
        sheet.paste(tile, (column * TILE, row * TILE))
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
