"""Reads and writes result.json, which holds a run's result and evaluations.

Several processes may add evaluations at once.
"""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

from and_tf.utils import archives, atomic_files, locks, records, schemas
from and_tf.utils.checkpoint_names import BEST, LAST
from and_tf.utils.errors import InputError

# The keys of evaluations of the last checkpoint, and of others.
OF_LAST, OF_OTHERS = "evaluation", "evaluation_of"
# What tables call the figure after --rewhiten.
WHITENED = "whitened at the end"
_EXPECTED = "result.json as a run wrote it"
_REMEDY = (
    "Remove it and give the run's own command with --resume, which writes it "
    "again without training."
)


def read(path: pathlib.Path) -> dict[str, Any]:
    """Reads the result.json of a training or a clustering.

    Raises:
        InputError: If the file cannot be read, or does not fit its schema.
    """
    return records.read(path, schemas.of_result, _EXPECTED, _REMEDY)


@contextlib.contextmanager
def using(path: pathlib.Path) -> Iterator[None]:
    """Turns a block's errors of missing values into an `InputError`.

    The schema requires only the values that every reader needs. Others, such
    as those that the page of a run shows, may be missing from an edited file.

    Raises:
        InputError: If the block does not find a value, or cannot use it.
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
    """Reads the file; returns None if the run is not finished.

    Raises:
        InputError: If `read` raises it.
    """
    result = _read_if_there(path)
    # A run that was evaluated before its end has nothing but evaluations.
    return result if set(result) - {OF_LAST, OF_OTHERS} else None


def evaluations(
    path: pathlib.Path, which: str = LAST
) -> dict[str, dict[str, Any]]:
    """Reads the figures of all protocols for a checkpoint, by protocol.

    Args:
        path: The file.
        which: The checkpoint, see `checkpoint_names.round_of`.

    Raises:
        InputError: If `read` raises it.
    """
    result = _read_if_there(path)
    if which == LAST:
        return result.get(OF_LAST, {})
    return result.get(OF_OTHERS, {}).get(which, {})


def add(
    path: pathlib.Path, protocol: str, figures: dict[str, Any], which: str
) -> None:
    """Adds a protocol's figures for a checkpoint.

    They replace earlier figures for the same checkpoint. Figures for other
    checkpoints stay, in a separate place: those of the last checkpoint are the
    run's own and must not be confused with them.

    Args:
        path: The file.
        protocol: The name of the protocol.
        figures: The figures, as JSON values.
        which: The checkpoint, see `checkpoint_names.round_of`.

    Raises:
        InputError: If `read` raises it, or the file cannot be written.
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

    Figures for the checkpoints at the ends of rounds are kept, as these do not
    change. Figures for the last and the best checkpoint are dropped, as those
    may be other checkpoints now. A damaged file is replaced.

    Args:
        path: The file.
        result: The content, as JSON values.

    Raises:
        InputError: If the file cannot be written.
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
