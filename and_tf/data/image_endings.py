"""Recognises image files by the endings of their names.

An ending only decides whether a file is opened. The format is then found from
the content: a PNG that is called photo.jpg is read as a PNG.
"""

from __future__ import annotations

import functools
import os
import warnings

from PIL import Image, features

# The endings of each format that is read, by Pillow's names of the formats.
# Pillow's other decoders are never used, whatever a file is called: some start
# other programs, and some take any bytes for an image.
_ENDINGS = {
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "ICO": (".ico",),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif", ".hif"),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "WEBP": (".webp",),
}
# Formats that Pillow may have been built without, and their Pillow features.
_OPTIONAL = {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}
# Images that nothing here decodes: drawings, layers, medical and scientific
# formats, and the raw files of cameras.
_UNREAD = frozenset(
    """
    .ai .bpg .dcm .dds .dib .dicom .emf .eps .exr .fit .fits .fts .hdr .icns
    .jxl .jxr .mrc .ndpi .nii .nrrd .pcx .pfm .psb .psd .sgi .svg .svgz .svs
    .tga .wdp .wmf .xbm .xcf .xpm
    .3fr .arw .cr2 .cr3 .crw .dng .erf .iiq .kdc .mef .mos .mrw .nef .nrw .orf
    .pef .raf .raw .rw2 .rwl .sr2 .srf .srw .x3f
    """.split()
)


@functools.cache
def formats() -> tuple[str, ...]:
    """Returns the formats that can be read here, by Pillow's names.

    HEIF is among them if the package pillow-heif is installed.
    """
    # Finds the decoders now, as this may fail in many threads at once.
    Image.init()
    missing = {f for f, feature in _OPTIONAL.items() if not _has(feature)}
    if not _add_heif():
        missing.add("HEIF")
    return tuple(f for f in _ENDINGS if f not in missing)


@functools.cache
def readable() -> tuple[str, ...]:
    """Returns the endings of the files that can be read here, in lower case."""
    return tuple(e for f in formats() for e in _ENDINGS[f])


def is_readable(name: str) -> bool:
    """Returns whether a file of this name is opened as an image."""
    return _ending(name) in readable()


def why_not(name: str) -> str | None:
    """Returns why a file that is named like an image is not read.

    Args:
        name: The name of a file.

    Returns:
        A reason for `Skipped`, or None if the file is not named like an image,
        or is named like one that can be read.
    """
    ending = _ending(name)
    if ending in readable():
        return None
    if ending in _ENDINGS["HEIF"]:
        return "that need the package pillow-heif (pip install pillow-heif)"
    if ending in _UNREAD or any(ending in es for es in _ENDINGS.values()):
        return f"whose format {ending} is not read here"
    return None


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _has(feature: str) -> bool:
    with warnings.catch_warnings():  # An older Pillow may not know it.
        warnings.simplefilter("ignore")
        return bool(features.check(feature))


def _add_heif() -> bool:
    """Adds pillow-heif's decoder to Pillow; returns whether it is installed."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True
