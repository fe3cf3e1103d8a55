"""Trains a model in Python, in one process or in each of several.

    python -m tests.training_of_workers DIRECTORY

With TF_CONFIG set, this writes the results of the process to
DIRECTORY/<index>.npz.
"""

from __future__ import annotations

import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

import and_tf
from and_tf.data.split import in_memory
from and_tf.data.step_batches import HostBatches
from and_tf.distribution import strategy
from and_tf.distribution.process_group import ProcessGroup, part
from and_tf.search import nearest as searching
from and_tf.search.nearest import nearest
from and_tf.training import fit_loop
from and_tf.training import teacher as teaching
from and_tf.training.teacher import Teacher, teacher_rows

EPOCHS, BATCH, NUM = 4, 32, 115  # The last batch is odd.


def train(processes: ProcessGroup | None = None) -> dict[str, np.ndarray]:
    """Trains an encoder without batch norm: instance learning and two rounds.

    Args:
        processes: The processes to train in; None is this process alone.

    Returns:
        The losses, bank, neighbours, anchors and weights.
    """
    processes = processes or ProcessGroup()
    x = np.random.default_rng(0).normal(size=(NUM, 10)).astype(np.float32)
    keras.utils.set_random_seed(5)
    with processes.strategy.scope():
        model = and_tf.AND(mlp(), NUM, seed=5)
        model.compile(keras.optimizers.SGD(0.03, momentum=0.9, nesterov=True))
    losses = []
    fit_loop.fit(
        model,
        HostBatches(batches(x, processes), processes),
        [
            and_tf.Curriculum(2, 1, 2),
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: losses.append(logs["loss"])
            ),
        ],
        epochs=EPOCHS,
        steps=-(-NUM // BATCH),
    )
    return {
        "losses": np.array(losses),
        "bank": np.asarray(model.bank.rows),
        "neighbours": np.asarray(model.neighbours),
        "selected": np.asarray(model.is_anchor),
        # Not named by Keras, whose names count the layers of a process.
        **{
            f"weight_{i}": np.asarray(weight)
            for i, weight in enumerate(model.encoder.weights)
        },
    }


def mlp() -> keras.Model:
    """Makes a small encoder, [B, 10] to [B, 8]."""
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((10,)), layers.Dense(16, "relu"), layers.Dense(8)]
    )


def batches(x: np.ndarray, processes: ProcessGroup) -> tf.data.Dataset:
    """Returns this process' parts of the batches of all epochs."""

    def own():
        for epoch in range(EPOCHS):
            order = np.random.default_rng(epoch).permutation(NUM)
            for first in range(0, NUM, BATCH):
                numbers = order[first : first + BATCH]
                start, stop = part(
                    len(numbers), processes.index, processes.size
                )
                yield x[numbers[start:stop]], numbers[start:stop]

    return tf.data.Dataset.from_generator(
        own,
        output_signature=(
            tf.TensorSpec([None, x.shape[1]], tf.float32),
            tf.TensorSpec([None], tf.int64),
        ),
    )


def search(processes: ProcessGroup) -> dict[str, np.ndarray]:
    """Searches in this process alone and in all processes.

    Args:
        processes: The processes that share the second search.

    Returns:
        The results of both searches, and the number of queries of the second
        that this process searched for.
    """
    rows = np.random.default_rng(1).normal(size=(2500, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    options = {"temperature": 0.1, "exclude_self": True}
    own = nearest(rows, rows, 3, **options)
    before, searched = searching._search, []

    def counting(queries, *arguments):
        searched.append(len(queries))
        return before(queries, *arguments)

    searching._search = counting
    shared = nearest(rows, rows, 3, **options, processes=processes)
    return {
        "searched": np.array(sum(searched)),
        **{f"own_{k}": v for k, v in own._asdict().items()},
        **{f"shared_{k}": v for k, v in shared._asdict().items()},
    }


def teach(
    path: pathlib.Path, processes: ProcessGroup | None = None
) -> dict[str, np.ndarray]:
    """Computes a teacher's rows, and then reads them from their files.

    Args:
        path: A directory, of which only the chief's is used.
        processes: The processes to compute in; None is this process alone.

    Returns:
        The targets of both, and the images that were embedded for the second.
    """
    processes = processes or ProcessGroup()
    pixels = np.random.default_rng(2).integers(0, 256, (20, 8, 8, 3), np.uint8)
    split, seen = in_memory("toy", pixels, None), []
    with processes.strategy.scope():
        images = keras.Input((8, 8, 3))
        x = keras.layers.Rescaling(1 / 255)(images)
        trunk = keras.Model(images, keras.layers.GlobalMaxPooling2D()(x))
    teacher = Teacher(lambda: trunk, 8, 3)
    options = {"processes": processes, "neighbours": 2}
    first = teacher_rows(teacher, split, path, **options)
    before, teaching.embed = teaching.embed, lambda *_: seen.append(20)
    again = teacher_rows(teacher, split, path, **options)
    teaching.embed = before
    return {
        "taught": first.targets,
        "taught again": again.targets,
        "seen again": np.array(seen, np.float32),
    }


if __name__ == "__main__":
    joined = ProcessGroup(strategy.build("auto"))
    sent = bytes(range(11)) if joined.chief else b""
    mine = np.full((joined.index + 1, 2), joined.index + 1, np.int32)
    np.savez(
        pathlib.Path(sys.argv[1]) / f"{joined.index}.npz",
        **train(joined),
        **search(joined),
        **teach(pathlib.Path(sys.argv[1]) / f"of_{joined.index}", joined),
        gathered=joined.gather(mine),
        told=np.frombuffer(joined.bytes_from_chief(sent), np.uint8),
    )
