"""What became of a sweep's runs, read from their directories."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import signal
from collections.abc import Sequence
from typing import Any

from and_tf.sweeping import claims
from and_tf.training import result_file

MARK = "[sweep] "  # Begins the lines that a sweep adds to a log.
ENDED = f"{MARK}ended with exit code "
_ENDED = re.compile(re.escape(ENDED) + "(-?[0-9]{1,3})")
# What a training ends with that was asked to, or killed by a signal.
ASKED = {
    sign * number + offset
    for number in (signal.SIGINT, signal.SIGTERM)
    for sign, offset in ((1, 128), (-1, 0))
}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How far a run is.

    Attributes:
        state: "done", "running", "failed", "interrupted" or "new".
        note: Who trains it, or the last line of its error.
        result: The content of its result.json.
    """

    state: str
    note: str = ""
    result: dict[str, Any] | None = None


def log_of(run: pathlib.Path) -> pathlib.Path:
    """What a run's trainings printed."""
    return run / "log.txt"


def outcome_of(run: pathlib.Path) -> Outcome:
    """Looks how far the run in a directory is."""
    result = run / "result.json"
    if result.is_file():
        return Outcome("done", result=result_file.read(result))
    holder = claims.holder(run)
    if holder:
        return Outcome("running", holder)
    lines = tail(log_of(run))
    ended = _ENDED.fullmatch(lines[-1]) if lines else None
    if ended:
        code = int(ended[1])
        if code not in ASKED:
            return Outcome("failed", error_in(lines, code))
    if (run / "flags.cfg").is_file():
        return Outcome("interrupted")
    return Outcome("new")


def error_in(lines: Sequence[str], code: int) -> str:
    """The last line of a training that failed, or what killed it."""
    if code < 0:
        names = {number.value: number.name for number in signal.Signals}
        return f"killed by {names.get(-code, f'signal {-code}')}"
    for line in reversed(lines[:-1]):
        if line.startswith(MARK):
            break
        if line:
            return line
    return f"exit code {code}"


def tail(path: pathlib.Path, size: int = 8192) -> list[str]:
    """The last lines of a text file; none of one that cannot be read."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - size))
            return file.read().decode(errors="replace").splitlines()
    except OSError:  # None yet, or a server that is away.
        return []
