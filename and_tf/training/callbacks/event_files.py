"""Cleans up TensorBoard's files of a run that was interrupted.

Events that an earlier process wrote after the last checkpoint would appear
twice when the run continues from it. So the events up to the checkpoint are
copied into one file, and the other files are deleted.
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
    """Deletes all events except those to keep, and their duplicates.

    The copy replaces the oldest file before the others are deleted: a process
    that dies in between leaves duplicates, which the next one deletes.

    Args:
        directory: The run's TensorBoard directory; it need not exist.
        keep: Takes a tag and a step, and returns whether to keep the event.

    Returns:
        The (tag, step) of each event that is left.

    Raises:
        InputError: If there is no room, or no right to write.
    """
    paths = sorted(directory.glob("*tfevents*"))
    if not paths:
        return set()
    # The copy is named as a TensorBoard file only once it is whole.
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
    """Copies the events to keep, each once; returns their (tag, step)."""
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
    """Removes from an event the values that are not kept or were seen."""
    values = list(event.summary.value)
    del event.summary.value[:]
    for value in values:
        place = (value.tag, event.step)
        if keep(*place) and place not in seen:
            seen.add(place)
            event.summary.value.add().CopyFrom(value)


def _events(path: pathlib.Path) -> Iterator[event_pb2.Event]:
    """Yields the events of a file, up to where its writer was stopped."""
    records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    try:
        for record in records:
            yield event_pb2.Event.FromString(record)
    except tf.errors.DataLossError:
        return  # The writer was stopped within this record.


def _version(path: pathlib.Path) -> event_pb2.Event:
    """Returns the event that a file of TensorBoard begins with."""
    return event_pb2.Event(
        wall_time=path.stat().st_mtime, file_version="brain.Event:2"
    )
