"""Runs a small training on logical CPU devices, in a process of its own.

    python -m tests.replicas_run OUT.npz REPLICAS NORM BATCH COMPILED

The logical devices of a process cannot be changed, and two `MirroredStrategy`
trainings of different shapes collide in one process. With a single replica,
`train(1, …)` can also be called in the process of a test.
"""

from __future__ import annotations

import sys

import keras
import numpy as np
import tensorflow as tf

if __name__ == "__main__":  # Before anything uses a device.
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * int(sys.argv[2]),
    )

import and_tf  # noqa: E402
from and_tf import encoders  # noqa: E402
from tests.method.model_test import blobs, epochs_of  # noqa: E402

EPOCHS = 4
NORMS = ("none", "local", "synchronised", "ghost")


class GhostNorm(keras.layers.BatchNormalization):
    """Batch norm that, like two replicas, normalises each half by itself."""

    def call(self, inputs, training=None):
        if not training:
            return super().call(inputs, training=False)
        second = tf.shape(inputs)[0] // 2
        halves = inputs[:-second], inputs[-second:]
        means, variances = zip(
            *(tf.nn.moments(half, [0]) for half in halves), strict=True
        )
        for moving, values in (
            (self.moving_mean, means),
            (self.moving_variance, variances),
        ):
            kept = self.momentum * moving
            moving.assign(kept + (1 - self.momentum) * sum(values) / 2)
        return tf.concat(
            [
                tf.nn.batch_normalization(
                    half, mean, variance, self.beta, self.gamma, self.epsilon
                )
                for half, mean, variance in zip(
                    halves, means, variances, strict=True
                )
            ],
            axis=0,
        )


def encoder(norm: str) -> keras.Model:
    """Makes an encoder, [B, 10] to [B, 8], with one of `NORMS`."""
    layers = [keras.Input((10,)), keras.layers.Dense(16)]
    if norm != "none":
        kind = keras.layers.BatchNormalization
        layers.append((GhostNorm if norm == "ghost" else kind)(momentum=0.9))
    layers += [keras.layers.ReLU(), keras.layers.Dense(8)]
    model = keras.Sequential(layers)
    if norm == "synchronised":
        encoders.synchronise_batch_norm(model)
    return model


def train(
    replicas: int, norm: str, batch: int, compiled: bool = False
) -> dict[str, np.ndarray]:
    """Trains a model: instance learning and two rounds.

    Args:
        replicas: The number of replicas: 1, or the number of logical devices.
        norm: One of `NORMS`.
        batch: The number of samples in a step, over all replicas. An epoch
            has 115 samples, or 120 in batches of 24.
        compiled: Whether XLA compiles the replicas' parts of a step.

    Returns:
        The losses of all epochs; and the bank, neighbours, anchors and
        weights, with a first axis for the replicas.
    """
    x, _ = blobs(np.random.default_rng(0), num=120 if batch == 24 else 115)
    keras.utils.set_random_seed(5)
    strategy = tf.distribute.get_strategy()
    if replicas > 1:
        devices = [f"CPU:{i}" for i in range(replicas)]
        strategy = tf.distribute.MirroredStrategy(devices)
    with strategy.scope():
        model = and_tf.AND(
            encoder(norm),
            len(x),
            neighbourhood_size=2,
            augmenter=keras.layers.Rescaling(0.8, 0.1),
            seed=5,
        )
        model.compiles_views = model.compiles_locally = compiled
        model.compile(keras.optimizers.SGD(0.03, momentum=0.9, nesterov=True))
    order = np.stack(
        [np.random.default_rng(e).permutation(len(x)) for e in range(EPOCHS)]
    )
    history = model.fit(
        epochs_of(x, order, batch),
        epochs=EPOCHS,
        steps_per_epoch=-(-len(x) // batch),
        callbacks=[and_tf.Curriculum(2, 1, 2)],
        shuffle=False,
        verbose=0,
    )
    held = {
        "bank": model.bank.rows,
        "neighbours": model.neighbours,
        "selected": model.is_anchor,
        **{f"weight_{i}": v for i, v in enumerate(model.encoder.variables)},
    }
    results = {
        name: np.stack(strategy.experimental_local_results(variable.value))
        for name, variable in held.items()
    }
    return {"losses": np.array(history.history["loss"]), **results}


if __name__ == "__main__":
    out, count, kind, size, xla = sys.argv[1:]
    np.savez(out, **train(int(count), kind, int(size), xla == "True"))
