"""Reads the state of a sweep's runs from their directories."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import signal
from collections.abc import Sequence
from typing import Any

from and_tf.sweeping import claims
from and_tf.training import result_file

MARK = "[sweep] "  # The prefix of lines that a sweep adds to a log.
ENDED = f"{MARK}ended with exit code "
_ENDED = re.compile(re.escape(ENDED) + "(-?[0-9]{1,3})")
# The exit codes of a training that was asked to end, or killed by a signal.
ASKED = {
    sign * number + offset
    for number in (signal.SIGINT, signal.SIGTERM)
    for sign, offset in ((1, 128), (-1, 0))
}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The state of a run.

    Attributes:
        state: "done", "running", "failed", "interrupted" or "new".
        note: The process that does a running run, or the last line of a failed
            run's error; "" for other runs.
        result: The content of result.json if the run is done, or None.
    """

    state: str
    note: str = ""
    result: dict[str, Any] | None = None


def log_of(run: pathlib.Path) -> pathlib.Path:
    """Returns the path of the log that a run's trainings print to."""
    return run / "log.txt"


def outcome_of(run: pathlib.Path) -> Outcome:
    """Reads the state of the run in a directory."""
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
    """Returns the last line of a failed training, or the signal's name.

    Args:
        lines: The last lines of the log.
        code: The exit code; a negative one is a signal.
    """
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
    """Returns the last lines of a text file, or [] if it cannot be read.

    Args:
        path: The path of the file.
        size: The number of bytes to read from the end.
    """
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - size))
            return file.read().decode(errors="replace").splitlines()
    except OSError:  # There is no file yet, or a file server is away.
        return []
