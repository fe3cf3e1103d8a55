"""Bounds what it takes to decode an image file.

A file of kilobytes can declare an image of gigabytes, and its decoding takes
the memory and time of the declared size. So four numbers are bounded: the
pixels of one image, `MOST_PIXELS`; the pixels of a large image per byte of its
file, `MOST_PIXELS_A_BYTE`; the pixels of all images that are decoded at the
same time, `MOST_IN_FLIGHT`; and the pixels times the scans of a JPEG,
`MOST_WORK`. A pixel takes 3 bytes of the result, and 3 or 4 more while it is
decoded, or up to 16 more in WebP and JPEG 2000. So images in flight take half a
gigabyte, or 1.2 gigabytes in these two formats. One image of 170 million
pixels, which is decoded alone, takes 1.2 gigabytes, or 3.3.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Iterator

from and_tf.data.image_depth import Source
from and_tf.data.walking import Refused

# An image of more pixels than the largest cameras take is not read. Pillow's
# own limit is similar, but any code of the process may lift it, and it only
# warns at first.
MOST_PIXELS = 170_000_000
MOST_IN_FLIGHT = 2**26
# Pixels times scans. A usual progressive JPEG has about ten scans over all
# pixels; a malicious file of kilobytes can have thousands.
MOST_WORK = 16 * MOST_PIXELS
# A large image of fewer bytes is blank: it is a decompression bomb, no photo.
LARGE_PIXELS = 2**25
MOST_PIXELS_A_BYTE = 4096


class PixelBudget:
    """A limit on the pixels that all threads together decode at one time.

    As many threads decode images as there are cores. The memory for one image
    is bounded by its size; the memory for all of them, by this limit.

    Args:
        most: The number of pixels that may be in flight. An image of more
            pixels is decoded while there is no other.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._in_flight = 0
        # Only one thread waits for room, so that a large image is not
        # overtaken by small ones.
        self._turn = threading.Lock()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Waits until there is room, and takes it until the block ends.

        Args:
            pixels: The number of pixels of the image decoded in the block.
        """
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._has_room(pixels))
            self._in_flight += pixels
        try:
            yield
        finally:
            with self._changed:
                self._in_flight -= pixels
                self._changed.notify_all()

    def _has_room(self, pixels: int) -> bool:
        return not self._in_flight or self._in_flight + pixels <= self._most


def check(pixels: int, file_bytes: int, bands: int = 1) -> None:
    """Checks the size of an image before it is decoded.

    Args:
        pixels: The number of its pixels.
        file_bytes: The size of its file.
        bands: The number of images of one band that it is like.

    Raises:
        Refused: If it is too large, at all or for its file.
    """
    if pixels > MOST_PIXELS:
        raise Refused(too_large())
    if pixels * bands > max(LARGE_PIXELS, MOST_PIXELS_A_BYTE * file_bytes):
        raise Refused("of too few bytes for their size")


def too_large() -> str:
    """Returns a reason for `Skipped` for an image of too many pixels."""
    return f"that have more than {MOST_PIXELS:,} pixels"


def file_size(source: Source) -> int:
    """Returns the size of a file in bytes.

    Raises:
        Refused: If it is not an ordinary file.
    """
    if not isinstance(source, (str, bytes, os.PathLike)):
        return source.seek(0, os.SEEK_END)
    # Opening a pipe would wait forever, and a device may do anything.
    state = os.stat(source)
    if not stat.S_ISREG(state.st_mode):
        raise Refused("that are no ordinary files")
    return state.st_size
