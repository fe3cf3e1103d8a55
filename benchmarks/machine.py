"""What a figure of speed has to be read with."""

from __future__ import annotations

import os
import pathlib
import platform


def describe() -> dict[str, str | int]:
    """The processor's model and how many cores there are."""
    return {"processor": _processor(), "cores": os.cpu_count() or 1}


def sentence() -> str:
    """The same for people."""
    machine = describe()
    return f"{machine['cores']} cores of {machine['processor']}"


def _processor() -> str:
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:  # No Linux.
        return platform.processor()
    for line in text.splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
