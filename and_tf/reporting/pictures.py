"""Images in groups, and a run's own pictures, as data URIs of a sane size."""

from __future__ import annotations

import base64
import dataclasses
import io
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from and_tf.data.preprocessing import pictures
from and_tf.data.split import Split
from and_tf.data.walking import utf8
from and_tf.figures.canvas import encode_png
from and_tf.figures.tiles import tile as square_of

LOSSLESS = 48  # Pixels a side, up to which an image stays as it is.
SIDE = 112  # Pixels a side of larger ones, at most.
QUALITY = 85  # Of JPEG.
WIDTH = 1200  # Pixels of a picture, at most.
LARGE = 300_000  # Bytes, from which a picture is worth a JPEG.


@dataclasses.dataclass(frozen=True)
class Tile:
    """An image with what is said of it.

    Attributes:
        split: Where it is from.
        number: Of the image there.
        kind: "query", "same", "other" or "": the colour of its frame.
        lines: Of the caption, after its class or its file's name.
        image: uint8 [H, W, 3]; `groups` fetches it.
    """

    split: Split
    number: int
    kind: str = ""
    lines: tuple[str, ...] = ()
    image: np.ndarray | None = None

    @property
    def label(self) -> int:
        """Its class, −1 for none."""
        labels = self.split.labels
        return -1 if labels is None else int(labels[self.number])

    @property
    def name(self) -> str:
        """Its class, or else its file, or else its number."""
        if self.label >= 0:
            return class_name(self.split, self.label)
        return self.source

    @property
    def source(self) -> str:
        """Which image of which split it is."""
        if self.split.file_names is not None:
            return utf8(self.split.file_names[self.number])
        return f"{self.split.name} {self.number}"

    @property
    def alt(self) -> str:
        """All of it in words, for those who cannot see it."""
        words = [self.name, *self.lines, self.source]
        return ", ".join(dict.fromkeys(words))

    @property
    def uri(self) -> str:
        """Its image, small."""
        return tile_uri(self.image)

    @property
    def is_small(self) -> bool:
        """Whether its pixels are to be seen."""
        return min(self.image.shape[:2]) <= LOSSLESS


class Picture(NamedTuple):
    """A picture of a run's directory, and its size in pixels."""

    uri: str
    width: int
    height: int


def class_name(split: Split, label: int) -> str:
    """Returns the name of a class, or its number where it has none."""
    return split.class_names[label] if split.class_names else str(label)


def found_beside(query: Tile, number: int, split: Split) -> Tile:
    """Returns a tile found for another, framed by whether it has its class."""
    found = Tile(split, int(number))
    return framed(found, query.label)


def framed(tile: Tile, label: int) -> Tile:
    """Frames a tile by whether it is of a class, as far as both are known."""
    if tile.label < 0 or label < 0:
        return tile
    kind = "same" if tile.label == label else "other"
    return dataclasses.replace(tile, kind=kind)


def groups(rows: Sequence[Sequence[Tile]]) -> list[list[Tile]]:
    """Fetches the images of groups of tiles, in one pass over each split."""
    images, tiles = {}, [tile for row in rows for tile in row]
    for split in {id(tile.split): tile.split for tile in tiles}.values():
        numbers = np.unique([t.number for t in tiles if t.split is split])
        taken = pictures(split, numbers, SIDE)
        for number, image in zip(numbers, taken, strict=True):
            images[id(split), int(number)] = image
    return [
        [
            dataclasses.replace(tile, image=images[id(tile.split), tile.number])
            for tile in row
        ]
        for row in rows
    ]


def tile_uri(image: np.ndarray) -> str:
    """Returns the centre square of an image, uint8 [H, W, 3], small."""
    side = min(*image.shape[:2], SIDE)
    square = square_of(image, side)
    if side <= LOSSLESS:
        return _uri("png", encode_png(square))
    return _uri("jpeg", _encode_jpeg(Image.fromarray(square)))


def saved_picture(path: pathlib.Path) -> Picture | None:
    """Returns a PNG file of a run, None if there is none that can be read.

    One of up to `LARGE` bytes is taken as it is; a larger one, or one wider
    than `WIDTH`, becomes a JPEG of that width where that is smaller.
    """
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            return _picture(content, image)
    except (OSError, ValueError, SyntaxError):  # As Pillow says of a bad PNG.
        return None


def _picture(content: bytes, image: Image.Image) -> Picture:
    if image.width <= WIDTH and len(content) <= LARGE:
        image.load()  # Raises where the file is cut short.
        return Picture(_uri("png", content), *image.size)
    scale = min(1.0, WIDTH / image.width)
    size = WIDTH if scale < 1 else image.width, round(image.height * scale)
    reduced = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    as_jpeg = _encode_jpeg(reduced)
    if scale == 1 and len(content) <= len(as_jpeg):
        return Picture(_uri("png", content), *size)
    return Picture(_uri("jpeg", as_jpeg), *size)


def _encode_jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="jpeg", quality=QUALITY)
    return buffer.getvalue()


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
