"""Makes small image files that try to exhaust memory or time."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image


def many_scans(side: int, scans: int) -> bytes:
    """Makes a JPEG of kilobytes with many scans over side x side pixels."""
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "JPEG", progressive=True)
    jpeg = buffer.getvalue()
    frame, start = jpeg.index(b"\xff\xc2"), jpeg.rindex(b"\xff\xda")
    sides = struct.pack(">HH", side, side)
    jpeg = jpeg[: frame + 5] + sides + jpeg[frame + 9 :]
    return jpeg[:-2] + jpeg[start:-2] * scans + jpeg[-2:]


def bomb(side: int) -> bytes:
    """Makes a PNG of a kilobyte that claims to have side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10**6)))
        + chunk(b"IEND", b"")
    )
