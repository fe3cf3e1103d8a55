"""Which devices a run is spread over."""

from __future__ import annotations

import os

import tensorflow as tf

from and_tf.errors import InputError


def build(name: str) -> tf.distribute.Strategy:
    """Makes the strategy by its flag.

    With up to one GPU there is none, so that XLA stays on: Keras compiles no
    step under any other strategy.

    Args:
        name: auto, default, mirrored or multi_worker.

    Raises:
        InputError: For a strategy that this machine cannot have.
    """
    if name == "auto":
        gpus = len(tf.config.list_logical_devices("GPU"))
        name = "mirrored" if gpus > 1 else "default"
    if name == "default":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    raise InputError(
        "Expected --strategy=auto, default or mirrored: training over several "
        f"machines is not there yet. Received: {name} (TF_CONFIG "
        f"{'set' if os.environ.get('TF_CONFIG') else 'not set'})."
    )
