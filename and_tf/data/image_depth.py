"""Scales grey values of more than 8 bits by the bits that they really have.

Cameras and scanners of 10, 12 or 14 bits save their values unchanged in 16
bits. Read as 16 bits, such an image is nearly black. If its header says how
many bits are used, the image is scaled by that number.
`export.serving.decoding` does the same in a graph.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import TiffImageFile

# A path, or a seekable file that is open for reading.
Source = str | bytes | os.PathLike[str] | BinaryIO
WHITE = 65535
# If all values of many images are below it, they probably have fewer than 16
# bits, even if the images are dark.
NARROW = 2**14
_STRIP_ROWS = 256
_BITS_PER_SAMPLE, _MAX_SAMPLE_VALUE = 258, 281  # Tags of a TIFF.
_PNG_HEADER_BYTES = 8


@contextlib.contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """Opens a file for reading, or rewinds an open file to its beginning."""
    if isinstance(source, (str, bytes, os.PathLike)):
        with open(source, "rb") as file:
            yield file
    else:
        source.seek(0)
        yield source


def to_rgb(image: Image.Image, source: Source) -> np.ndarray:
    """Scales grey of 16 bits to 8 bits; Pillow itself would clip it at 255.

    Args:
        image: A decoded image whose mode begins with "I" or "F".
        source: The image's file, as a path or open for reading.

    Returns:
        uint8 `[H, W, 3]`.

    Raises:
        ValueError: If the range of the values is unknown.
    """
    values = np.asarray(image)  # [H, W]
    if image.mode.startswith("F") or values.min() < 0 or values.max() > WHITE:
        raise ValueError(f"pixels of mode {image.mode} have no known range")
    step = np.float32(white_level(image, source, values) / 255)
    rgb = np.empty((*values.shape, 3), np.uint8)
    for top in range(0, len(values), _STRIP_ROWS):
        rows = slice(top, top + _STRIP_ROWS)
        rgb[rows] = np.rint(values[rows] / step)[:, :, None]
    return rgb


def white_level(image: Image.Image, source: Source, values: np.ndarray) -> int:
    """Returns the value that stands for white, 65,535 or less by the header.

    Args:
        image: A decoded image of grey values of 16 bits.
        source: The image's file, as a path or open for reading.
        values: The grey values of the image, `[H, W]`.
    """
    bits = 16
    if image.format == "TIFF":
        bits = _tiff_bits(cast("TiffImageFile", image))
    elif image.format == "PNG":
        bits = _png_bits(source)
        # The PNG standard scales values to 16 bits, however many bits are
        # significant. The lowest bits of all values are then zeros.
        if not (values & (2 ** (16 - bits) - 1)).any():
            bits = 16
    white = 2**bits - 1
    return white if values.max() <= white else WHITE


def _tiff_bits(image: TiffImageFile) -> int:
    """Returns the number of bits of a TIFF's values, from its header."""
    tags = image.tag_v2
    (bits,) = tags.get(_BITS_PER_SAMPLE, (16,))[:1]
    most = tags.get(_MAX_SAMPLE_VALUE, WHITE)
    (most,) = most[:1] if isinstance(most, tuple) else (most,)
    # Some programs write the largest value that occurs, which does not tell
    # the number of bits. Only a value of 2^b − 1 does.
    for fewer in range(9, bits):
        if most == 2**fewer - 1:
            return fewer
    return bits if 8 < bits < 16 else 16


def _png_bits(source: Source) -> int:
    """Returns the number of bits of a PNG's values, from its chunk sBIT."""
    with opened(source) as file:
        file.seek(_PNG_HEADER_BYTES)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"sBIT":
                bits = file.read(1)[0]
                return bits if 8 < bits < 16 else 16
            if kind == b"IDAT":
                break
            file.seek(length + 4, os.SEEK_CUR)
    return 16
