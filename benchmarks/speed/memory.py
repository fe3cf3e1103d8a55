"""How much memory a process takes at most."""

from __future__ import annotations

import pathlib
import resource
import sys

_CLEAR = pathlib.Path("/proc/self/clear_refs")
_STATUS = pathlib.Path("/proc/self/status")


def restart_peak() -> None:
    """Forgets what was held before, where the system can (Linux)."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        pass


def peak() -> int:
    """Bytes held at most since `restart_peak`, or since the start."""
    try:
        return _status("VmHWM")
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def held() -> int:
    """Bytes held now; where the system does not say, at most so far."""
    try:
        return _status("VmRSS")
    except OSError:
        return peak()


def _status(name: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{_STATUS} has no {name}")
