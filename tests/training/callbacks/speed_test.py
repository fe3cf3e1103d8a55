"""The clock of an epoch, with a clock of our own."""

from __future__ import annotations

import keras
import numpy as np

from and_tf.training.callbacks.speed import Speed


class Tick(keras.callbacks.Callback):
    """Moves the clock on with every step, and at an epoch's end."""

    def __init__(self):
        super().__init__()
        self.now = 100.0

    def on_train_batch_end(self, batch, logs=None):
        self.now += 2.0


class Late(keras.callbacks.Callback):
    def __init__(self, tick):
        super().__init__()
        self._tick = tick
        self.logs = []

    def on_epoch_end(self, epoch, logs=None):
        self._tick.now += 1000.0  # An evaluation, which is no training.
        self.logs.append(dict(logs))


def test_counts_training_alone_and_notes_the_rate():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([3], [0.5, 0.25])
    model.compile(keras.optimizers.SGD(rate), "mse")
    tick = Tick()
    late = Late(tick)
    model.fit(
        np.ones((12, 1)),
        np.ones((12, 1)),
        batch_size=4,
        epochs=3,
        callbacks=[tick, Speed(12, 3, clock=lambda: tick.now), late],
        verbose=0,
    )
    assert [row["seconds"] for row in late.logs] == [6.0] * 3
    assert [row["images_per_second"] for row in late.logs] == [2.0] * 3
    # Steps 0, 3 and 6; Keras' boundary is the last step of the old rate.
    assert [row["learning_rate"] for row in late.logs] == [0.5, 0.5, 0.25]
