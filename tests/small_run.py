"""Runs of seconds, finished and interrupted ones."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from PIL import Image

from and_tf import protocols
from and_tf.training import train_callbacks, trained, trainer
from and_tf.training.config import TrainConfig


def digits(tmp_path, name="run", **changes) -> TrainConfig:
    """A run of seconds."""
    return TrainConfig(
        **{
            "dataset": "digits",
            "backbone": "small",
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


def evaluate_knn(again: trained.Trained) -> dict:
    return protocols.evaluate(again, ["knn"])["knn"]


class Stop(keras.callbacks.Callback):
    """Ends a process' training as a kill would, before or after a step."""

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
    """Images of two kinds of noise, of mixed sizes, one of them broken."""
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
    """Trains up to an epoch, or a step of it, then ends as if killed."""
    with monkeypatch.context() as patch:
        patch.setattr(
            train_callbacks, "Progress", lambda *_, **__: Stop(epoch, step)
        )
        with pytest.raises(Stop.Interruption):
            trainer.train(config)
