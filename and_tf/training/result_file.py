"""result.json: how a run ended, and what protocols found in its checkpoints.

Several processes may add to it at once.
"""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

from and_tf.utils import archives, atomic_files, locks, records, schemas
from and_tf.utils.checkpoint_names import BEST, LAST
from and_tf.utils.errors import InputError

# What protocols found in the last checkpoint, and in others.
OF_LAST, OF_OTHERS = "evaluation", "evaluation_of"
_EXPECTED = "result.json as a run wrote it"
_REMEDY = (
    "Remove it; the run's own command with --resume, which has no epoch left "
    "to do, writes it again."
)


def read(path: pathlib.Path) -> dict[str, Any]:
    """Reads the file, of a training or of a clustering.

    Raises:
        InputError: If it cannot be read, or is of something else.
    """
    return records.read(path, schemas.of_result, _EXPECTED, _REMEDY)


@contextlib.contextmanager
def using(path: pathlib.Path) -> Iterator[None]:
    """Says in a sentence that the file lacks what the block needs of it.

    Its schema has what every reader needs. What only some show, as a page of
    a run does, may still be missing in one that was edited.

    Raises:
        InputError: If the block raises what such a lack is answered with.
    """
    try:
        yield
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise InputError(
            f"Expected {_EXPECTED}. Received: {path}, which lacks something or "
            f"has another value ({archives.why(error)}). {_REMEDY} With "
            "--debug, the trace says what was looked for."
        ) from error


def read_finished(path: pathlib.Path) -> dict[str, Any] | None:
    """Reads the file, None of a run that is not finished.

    Raises:
        InputError: As `read` does.
    """
    result = _read_if_there(path)
    # One that was evaluated before its end has that alone.
    return result if set(result) - {OF_LAST, OF_OTHERS} else None


def evaluations(
    path: pathlib.Path, which: str = LAST
) -> dict[str, dict[str, Any]]:
    """Reads what protocols found in a checkpoint, by their names.

    Args:
        path: The file.
        which: See `checkpoint_name.round_of`.

    Raises:
        InputError: As `read` does.
    """
    result = _read_if_there(path)
    if which == LAST:
        return result.get(OF_LAST, {})
    return result.get(OF_OTHERS, {}).get(which, {})


def add(
    path: pathlib.Path, protocol: str, figures: dict[str, Any], which: str
) -> None:
    """Adds a protocol's figures.

    Those of the same checkpoint are replaced; others stay: the last one's are
    the run's, and none else is to pass for them.

    Args:
        path: The file.
        protocol: Its name.
        figures: JSON.
        which: The checkpoint; see `checkpoint_name.round_of`.

    Raises:
        InputError: As `read` does, or if it cannot be written.
    """
    remedy = "Make room or change the directory, then run it again."
    with locks.exclusive(path):
        result = _read_if_there(path)
        if which == LAST:
            place = result.setdefault(OF_LAST, {})
        else:
            place = result.setdefault(OF_OTHERS, {}).setdefault(which, {})
        place[protocol] = figures
        atomic_files.write_json(path, result, remedy)


def write(path: pathlib.Path, result: dict[str, Any]) -> None:
    """Writes the file at the end of a run.

    What was found meanwhile in the checkpoints of rounds' ends, which stay as
    they are, is kept; what was found in the last or the best one was of
    others. A file that is damaged by now is replaced.

    Args:
        path: The file.
        result: JSON.

    Raises:
        InputError: If it cannot be written.
    """
    with locks.exclusive(path):
        try:
            others = _read_if_there(path).get(OF_OTHERS, {})
        except InputError:
            others = {}
        kept = {which: one for which, one in others.items() if which != BEST}
        result = {**result, OF_OTHERS: kept} if kept else result
        atomic_files.write_json(path, result)


def _read_if_there(path: pathlib.Path) -> dict[str, Any]:
    return read(path) if path.is_file() else {}
