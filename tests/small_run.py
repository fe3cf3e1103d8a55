"""Makes runs that take seconds, finished and interrupted ones."""

from __future__ import annotations

import os

import keras
import numpy as np
import pytest
from PIL import Image

from and_tf import protocols
from and_tf.training import train_callbacks, trainer
from and_tf.training.config import TrainConfig
from and_tf.training.run import Run
from and_tf.training.run_directory import RunDirectory
from and_tf.utils import locks

_LONGEST = 300.0  # Seconds in which another process trains a run.


def digits(tmp_path, name="run", **changes) -> TrainConfig:
    """Returns the config of a run on digits that takes seconds."""
    return TrainConfig(
        **{
            "dataset": "digits",
            "encoder": "small",
            "embedding_dim": 32,
            "rounds": 2,
            "epochs_per_round": 2,
            "batch_size": 100,
            "bank_initialiser": "encoder",
            "max_train_examples": 450,
            "max_test_examples": 150,
            "checkpoint_seconds": 0.0,
            "evaluate_every": 1,
            "run_dir": str(tmp_path / name),
            **changes,
        }
    )


def trained_once(
    factory: pytest.TempPathFactory, **changes
) -> tuple[TrainConfig, RunDirectory]:
    """Trains a run that tests of several files read.

    Whichever test asks first trains it, and all processes of pytest-xdist find
    it there. A test that would change it, or add to it, copies it.

    Args:
        factory: Knows the directory of these tests.
        **changes: The fields of the config in which it is not as `digits`.

    Returns:
        The config, and the directory of the finished run.
    """
    place = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    words = [f"{name}_{value}" for name, value in sorted(changes.items())]
    config = digits(place, "-".join(("trained", *words)), **changes)
    directory = RunDirectory(config.run_directory)
    with locks.exclusive(directory.path, patience=_LONGEST):
        if not directory.result.exists():
            trainer.train(config)
    return config, directory


def evaluate_knn(again: Run) -> dict:
    return protocols.evaluate(again, ["knn"])["knn"]


class Stop(keras.callbacks.Callback):
    """A callback that ends a training at an epoch or after a step, like a kill.

    Args:
        epoch: The epoch, counted from 0.
        step: The number of steps in that epoch after which to end; 0 ends the
            training at the beginning of the epoch.
    """

    class Interruption(Exception):
        pass

    def __init__(self, epoch, step=0):
        super().__init__()
        self._epoch, self._step = epoch, step

    def on_epoch_begin(self, epoch, logs=None):
        self._now = epoch
        if epoch == self._epoch and not self._step:
            raise self.Interruption

    def on_train_batch_end(self, batch, logs=None):
        if (self._now, batch + 1) == (self._epoch, self._step):
            raise self.Interruption


def folder(path, labelled, test, count=24):
    """Writes images of dark and light noise, of mixed sizes, one broken.

    Args:
        path: The folder to write into.
        labelled: Whether to put each kind into a sub-folder of its own.
        test: Whether to write a training and a test split.
        count: The number of images in a split, without the broken one.

    Returns:
        The path as text.
    """
    rng = np.random.default_rng(1)
    for split in ("train", "test") if test else ("",):
        for i in range(count):
            kind = "dark" if i % 2 else "light"
            place = path / split / (kind if labelled else "")
            place.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 99, (12 + i % 3, 14, 3), np.uint8)
            pixels += np.uint8(0 if i % 2 else 150)
            Image.fromarray(pixels).save(place / f"{i:02}.png")
    (place / "broken.png").write_bytes(b"not an image")
    return str(path)


def interrupted(
    config: TrainConfig, epoch: int, monkeypatch, step: int = 0
) -> None:
    """Trains up to an epoch, or a step of it, and ends as if killed there."""
    with monkeypatch.context() as patch:
        patch.setattr(
            train_callbacks, "Progress", lambda *_, **__: Stop(epoch, step)
        )
        with pytest.raises(Stop.Interruption):
            trainer.train(config)
