"""TensorBoard's files of a run that was interrupted.

What an earlier process wrote after the checkpoint that its successor goes on
from would stand there twice. So what belongs to the checkpoint is copied into
one file, and the others go.
"""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Iterator

import tensorflow as tf
from tensorboard.compat.proto import event_pb2

from and_tf.utils import temporary_files
from and_tf.utils.atomic_files import unwritable

Keep = Callable[[str, int], bool]


def keep_events(directory: pathlib.Path, keep: Keep) -> set[tuple[str, int]]:
    """Leaves those events that a run still has, each once.

    The copy stands in the place of the oldest file before the others go: a
    process that dies in between leaves too much, which the next one mends.

    Args:
        directory: The run's folder for TensorBoard; it need not exist.
        keep: Takes a tag and a step, says whether the run has got so far.

    Returns:
        The (tag, step) that are left.

    Raises:
        InputError: If there is no room, or no right to write.
    """
    paths = sorted(directory.glob("*tfevents*"))
    if not paths:
        return set()
    # Not called a TensorBoard file until it is whole.
    whole = temporary_files.name_beside(directory / "kept")
    with writing(directory):
        seen = _copy(paths, whole, keep)
        whole.replace(paths[0])
        for path in paths[1:]:
            path.unlink()
    return seen


@contextlib.contextmanager
def writing(directory: pathlib.Path) -> Iterator[None]:
    """Turns the errors of TensorFlow's own writers into an `InputError`."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        why = getattr(error, "message", None) or str(error)
        raise unwritable(directory, why.splitlines()[0]) from error


def _copy(
    paths: list[pathlib.Path], target: pathlib.Path, keep: Keep
) -> set[tuple[str, int]]:
    """Writes the kept events of some files, each once, and returns which."""
    seen: set[tuple[str, int]] = set()
    with tf.io.TFRecordWriter(str(target)) as writer:
        writer.write(_version(paths[0]).SerializeToString())
        for path in paths:
            for event in _events(path):
                _filter(event, keep, seen)
                if event.summary.value:
                    writer.write(event.SerializeToString())
    return seen


def _filter(
    event: event_pb2.Event, keep: Keep, seen: set[tuple[str, int]]
) -> None:
    """Takes out of an event what is not kept, or was seen before."""
    values = list(event.summary.value)
    del event.summary.value[:]
    for value in values:
        place = (value.tag, event.step)
        if keep(*place) and place not in seen:
            seen.add(place)
            event.summary.value.add().CopyFrom(value)


def _events(path: pathlib.Path) -> Iterator[event_pb2.Event]:
    """The events of a file, up to where its writer was stopped."""
    records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    try:
        for record in records:
            yield event_pb2.Event.FromString(record)
    except tf.errors.DataLossError:
        return  # A record that was being written.


def _version(path: pathlib.Path) -> event_pb2.Event:
    """The event that a file of TensorBoard begins with."""
    return event_pb2.Event(
        wall_time=path.stat().st_mtime, file_version="brain.Event:2"
    )
