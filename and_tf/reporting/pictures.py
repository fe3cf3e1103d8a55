"""Encodes groups of images, and a run's pictures, as small data URIs."""

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

LOSSLESS = 48  # Images of at most this side, in pixels, are stored lossless.
SIDE = 112  # The largest side of the other images, in pixels.
QUALITY = 85  # The quality of JPEGs.
WIDTH = 1200  # The largest width of a picture, in pixels.
LARGE = 300_000  # Larger pictures, in bytes, may become JPEGs.


@dataclasses.dataclass(frozen=True)
class Tile:
    """An image with its caption.

    Attributes:
        split: The split that the image is from.
        number: The sample number of the image in its split.
        kind: The kind of its frame: "query", "same", "other" or "".
        lines: The lines of the caption after the image's name.
        image: uint8 [H, W, 3], or None until `groups` fetches it.
    """

    split: Split
    number: int
    kind: str = ""
    lines: tuple[str, ...] = ()
    image: np.ndarray | None = None

    @property
    def label(self) -> int:
        """The image's class, −1 for none."""
        labels = self.split.labels
        return -1 if labels is None else int(labels[self.number])

    @property
    def name(self) -> str:
        """The name of the image's class; without a label, its `source`."""
        if self.label >= 0:
            return class_name(self.split, self.label)
        return self.source

    @property
    def source(self) -> str:
        """The path of the image's file, or else its split and number."""
        if self.split.file_names is not None:
            return utf8(self.split.file_names[self.number])
        return f"{self.split.name} {self.number}"

    @property
    def alt(self) -> str:
        """The text that describes the image to screen readers."""
        words = [self.name, *self.lines, self.source]
        return ", ".join(dict.fromkeys(words))

    @property
    def uri(self) -> str:
        """The image as a data URI, reduced in size."""
        assert self.image is not None  # `groups` has fetched it.
        return tile_uri(self.image)

    @property
    def is_small(self) -> bool:
        """True if the image is so small that its pixels should be visible."""
        assert self.image is not None  # `groups` has fetched it.
        return min(self.image.shape[:2]) <= LOSSLESS


class Picture(NamedTuple):
    """A picture of a run's directory as a data URI, and its size in pixels."""

    uri: str
    width: int
    height: int


def class_name(split: Split, label: int) -> str:
    """Returns the name of a class, or its number if it has no name."""
    return split.class_names[label] if split.class_names else str(label)


def found_beside(query: Tile, number: int, split: Split) -> Tile:
    """Returns a tile of a neighbour, framed by whether the classes agree.

    Args:
        query: The tile of the query or anchor.
        number: The sample number of the neighbour.
        split: The split of the neighbour.
    """
    found = Tile(split, int(number))
    return framed(found, query.label)


def framed(tile: Tile, label: int) -> Tile:
    """Frames a tile by whether it has a class, if both classes are known.

    Args:
        tile: The tile to frame.
        label: The class to compare with, −1 if it is unknown.
    """
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
    """Returns the centre square of an image as a data URI, reduced in size.

    Args:
        image: uint8 [H, W, 3].
    """
    side = min(*image.shape[:2], SIDE)
    square = square_of(image, side)
    if side <= LOSSLESS:
        return _uri("png", encode_png(square))
    return _uri("jpeg", _encode_jpeg(Image.fromarray(square)))


def saved_picture(path: pathlib.Path) -> Picture | None:
    """Returns a PNG file of a run, or None if it cannot be read.

    A file of up to `LARGE` bytes and `WIDTH` pixels is taken as it is. A wider
    picture becomes a JPEG of that width. A larger file becomes a JPEG if that
    is smaller.
    """
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            return _picture(content, image)
    except (OSError, ValueError, SyntaxError):  # Pillow's errors for bad PNGs.
        return None


def _picture(content: bytes, image: Image.Image) -> Picture:
    if image.width <= WIDTH and len(content) <= LARGE:
        image.load()  # Raises an error if the file is truncated.
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
