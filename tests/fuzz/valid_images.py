"""Makes small valid image files of every format that is read."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from and_tf.data import image_endings

HEIGHT, WIDTH = 9, 13
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F")
_ORIENTATION = 0x0112


def files() -> dict[str, bytes]:
    """Returns files by names such as "JPEG CMYK"."""
    found = {}
    for format_name in image_endings.formats():
        for mode in _MODES:
            content = _saved(_image(mode), format_name)
            if content:
                found[f"{format_name} {mode}"] = content
    return found | _special()


def _image(mode: str) -> Image.Image:
    rng = np.random.default_rng(0)
    if mode.startswith(("I", "F")):
        values = rng.integers(0, 2**16, (HEIGHT, WIDTH))
        dtype = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        return Image.fromarray(values.astype(dtype))
    pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8)
    return (
        Image.fromarray(pixels, "RGBA")
        .convert({"CMYK": "RGB"}.get(mode, mode))
        .convert(mode)
    )


def _saved(image: Image.Image, format_name: str, **options) -> bytes | None:
    """Encodes an image; None if the format does not support its mode."""
    buffer = io.BytesIO()
    try:
        image.save(buffer, format_name, **options)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return buffer.getvalue()


def _special() -> dict[str, bytes]:
    """Makes files with metadata or a structure that Pillow treats specially."""
    rgb, grey = _image("RGB"), _image("L")
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    frames = {"save_all": True, "append_images": [grey.convert("RGB")]}
    found = {
        "JPEG turned": _saved(rgb, "JPEG", exif=exif),
        "JPEG progressive": _saved(rgb, "JPEG", progressive=True, exif=exif),
        "MPO": _saved(rgb, "MPO", **frames),
        "PNG turned": _saved(rgb, "PNG", exif=exif),
        "PNG animated": _saved(rgb, "PNG", **frames),
        "PNG palette": _saved(rgb.quantize(8), "PNG", transparency=3),
        "PNG key": _saved(grey, "PNG", transparency=7),
        "GIF animated": _saved(rgb, "GIF", **frames),
        "WEBP turned": _saved(rgb, "WEBP", exif=exif),
        "WEBP animated": _saved(rgb, "WEBP", **frames),
    }
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        found[f"TIFF {compression}"] = _saved(
            rgb, "TIFF", compression=compression, exif=exif
        )
    return {name: content for name, content in found.items() if content}
