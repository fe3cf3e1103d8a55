"""Asserts that two run directories hold the same run."""

from __future__ import annotations

import csv
import pathlib

import numpy as np
import tensorflow as tf
from tensorboard.compat.proto import event_pb2

from and_tf.training.experiment import rounds_of
from and_tf.training.run_directory import RunDirectory

TIMED = {"seconds", "images_per_second"}
RESULT_TIMED = {*TIMED, "train_images_per_second", "finished", "evaluation"}


def assert_same_run(whole: RunDirectory, parts: RunDirectory) -> None:
    """Asserts that runs are equal to the bit, and have nothing written twice.

    Times are not compared.

    Args:
        whole: A finished run.
        parts: A run that should be the same.
    """
    assert_same_arrays(
        whole.checkpoints.paths()[-1], parts.checkpoints.paths()[-1]
    )
    plan = rounds_of(whole.config())
    kept, again = (d.checkpoints.of_rounds(plan) for d in (whole, parts))
    assert list(kept) == list(again)
    for number, path in kept.items():
        assert_same_arrays(path, again[number])
    found = sorted(path.name for path in whole.neighbourhoods.glob("*"))
    assert found == sorted(path.name for path in parts.neighbourhoods.glob("*"))
    for name in found:
        assert_same_arrays(
            whole.neighbourhoods / name, parts.neighbourhoods / name
        )

    assert rows_of(whole.metrics) == rows_of(parts.metrics)
    for key, value in whole.read_result().items():
        if key not in RESULT_TIMED:
            assert parts.read_result()[key] == value, key

    expected, received = (events(d.tensorboard) for d in (whole, parts))
    assert sorted(expected) == sorted(received)
    assert len(set(received)) == len(received)


def assert_same_arrays(first: pathlib.Path, second: pathlib.Path) -> None:
    """Asserts that two .npz files have equal arrays.

    A checkpoint's "notes" are not compared, because they contain times.
    """
    with np.load(first) as expected, np.load(second) as received:
        assert expected.files == received.files
        for name in set(expected.files) - {"notes"}:
            np.testing.assert_array_equal(
                expected[name], received[name], err_msg=name
            )


def rows_of(path: pathlib.Path) -> list[dict[str, str]]:
    """Reads the rows of metrics.csv without the columns of times and speeds."""
    with open(path, newline="") as file:
        return [
            {key: row[key] for key in row if key not in TIMED}
            for row in csv.DictReader(file)
        ]


def events(directory: pathlib.Path) -> list[tuple[str, int]]:
    """Lists the (tag, step) of every value that TensorBoard would show."""
    found = []
    for path in directory.glob("*tfevents*"):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = event_pb2.Event.FromString(record)
            found += [(value.tag, event.step) for value in event.summary.value]
    return found
