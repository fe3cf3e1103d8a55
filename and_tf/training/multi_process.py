"""Gives the processes of a run the same state before its first step.

Only the chief needs access to the run directory. The other processes receive
from it the state that they continue from.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from and_tf.distribution.process_group import ProcessGroup
from and_tf.training.checkpoint import Checkpoint
from and_tf.training.run_directory import OutputDirectory
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import RunConfig


def held(
    directory: OutputDirectory, processes: ProcessGroup
) -> contextlib.AbstractContextManager[None]:
    """Keeps other runs out of the directory, see `OutputDirectory.held`."""
    return directory.held() if processes.chief else contextlib.nullcontext()


def claim(
    directory: OutputDirectory,
    config: RunConfig,
    processes: ProcessGroup,
    start: Callable[[], Checkpoint] | None = None,
) -> tuple[Checkpoint | None, dict[str, Any] | None]:
    """Claims the directory for a run, and gives all processes its state.

    Args:
        directory: The directory of the run.
        config: The flags of this process.
        processes: The processes that train together.
        start: Returns the checkpoint that a new run begins with; None begins
            without one.

    Returns:
        The checkpoint to continue from, and the content of result.json; each
        is None if it does not exist.

    Raises:
        InputError: If the chief cannot claim the directory, or the processes
            were started with different flags.
    """
    checkpoint, result = None, None
    if processes.chief:
        # `start` may fail, so it is called before the directory is claimed.
        begun = directory.checkpoints.paths()
        found = start() if start is not None and not begun else None
        checkpoint = directory.claim(config)
        if checkpoint is None and found is not None:
            checkpoint = directory.checkpoints.adopt(found)
        result = directory.read_result()
    if processes.size == 1:
        return checkpoint, result
    _check_flags(config, processes)
    checkpoint = shared(checkpoint, processes)
    known = processes.bytes_from_chief(json.dumps(result).encode())
    return checkpoint, json.loads(known)


def shared(
    checkpoint: Checkpoint | None, processes: ProcessGroup
) -> Checkpoint | None:
    """Returns the chief's checkpoint on all processes of a run."""
    if processes.size == 1:
        return checkpoint
    path = processes.bytes_from_chief(
        str(checkpoint.path).encode() if checkpoint else b""
    )
    content = checkpoint.path.read_bytes() if checkpoint else b""
    content = processes.bytes_from_chief(content)
    if processes.chief or not path:
        return checkpoint
    return Checkpoint(pathlib.Path(path.decode()), content)


def _check_flags(config: RunConfig, processes: ProcessGroup) -> None:
    """Raises an `InputError` if a flag of the run differs from the chief's."""
    own = {name: getattr(config, name) for name in config.run_fields()}
    chief = json.loads(processes.bytes_from_chief(json.dumps(own).encode()))
    differ = [name for name in own if own[name] != chief[name]]
    _agreed(
        not differ,
        processes,
        (
            "Expected the same flags in all processes of a run. Received "
            "others than the chief's"
            + (f": {', '.join(differ)}." if differ else ".")
        ),
    )


def check_images(count: int, mark: str, processes: ProcessGroup) -> None:
    """Checks that all processes have the same training images.

    Args:
        count: The number of training images of this process.
        mark: The fingerprint of these images, see `restore.fingerprint`.
        processes: The processes that train together.

    Raises:
        InputError: If the images of the processes differ.
    """
    if processes.size == 1:
        return
    own = f"{count} {mark}".encode()
    same = processes.bytes_from_chief(own) == own
    _agreed(
        same,
        processes,
        (
            "Expected the same training images, by names and classes, on all "
            f"machines of a run. Received {count:,} here"
            + ("." if same else ", others than the chief's.")
        ),
    )


def _agreed(fine: bool, processes: ProcessGroup, message: str) -> None:
    """Raises an `InputError` on all processes unless all of them are fine."""
    if not processes.gather(np.array([fine], np.int32)).all():
        raise InputError(message)
