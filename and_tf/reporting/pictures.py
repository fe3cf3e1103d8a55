"""Images as data URIs, at sizes that keep a page sane."""

from __future__ import annotations

import base64
import io
import pathlib

import numpy as np
from PIL import Image

from and_tf.figures.canvas import encode_png
from and_tf.figures.tiles import tile

LOSSLESS = 48  # Pixels a side, up to which an image stays as it is.
SIDE = 112  # Pixels a side of larger ones, at most.
QUALITY = 85  # Of JPEG.
WIDTH = 1200  # Pixels of a picture, at most.
LARGE = 300_000  # Bytes, from which a picture is worth a JPEG.


def tile_uri(image: np.ndarray) -> str:
    """The centre square of an image, uint8 [H, W, 3], small."""
    side = min(*image.shape[:2], SIDE)
    square = tile(image, side)
    if side <= LOSSLESS:
        return _uri("png", encode_png(square))
    return _uri("jpeg", _encode_jpeg(Image.fromarray(square)))


def picture_uri(path: pathlib.Path) -> tuple[str, tuple[int, int]]:
    """A picture of a run's directory.

    A PNG file of up to `LARGE` bytes is taken as it is; a larger one, or one
    wider than `WIDTH`, becomes a JPEG of that width where that is smaller.

    Returns:
        The data URI, and (width, height) in pixels.

    Raises:
        OSError: If there is no picture, or it cannot be read.
    """
    content = path.read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        if image.width <= WIDTH and len(content) <= LARGE:
            image.load()  # Raises where the file is cut short.
            return _uri("png", content), image.size
        scale = min(1.0, WIDTH / image.width)
        size = WIDTH if scale < 1 else image.width, round(image.height * scale)
        reduced = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    as_jpeg = _encode_jpeg(reduced)
    if scale == 1 and len(content) <= len(as_jpeg):
        return _uri("png", content), size
    return _uri("jpeg", as_jpeg), size


def _encode_jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="jpeg", quality=QUALITY)
    return buffer.getvalue()


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
