"""Names of files and classes, as they can be compared and shown."""

from __future__ import annotations

import unicodedata


def utf8(name: str) -> str:
    """Returns a file's name with escapes for the bytes that are no UTF-8.

    Such a name opens its file, but can be neither printed nor written.
    """
    return name.encode(errors="backslashreplace").decode()


def composed(name: str) -> str:
    """Returns a name in Unicode's composed form, NFC.

    Some systems and archives store "é" as one character, others as "e" and an
    accent. Two folders whose names look alike are one class.
    """
    return unicodedata.normalize("NFC", name)
