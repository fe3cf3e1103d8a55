"""Run `python -m and_tf.train`, and end when its first step is done."""

from __future__ import annotations

import os

from and_tf.training.config import TrainConfig
from and_tf.utils import cli
from benchmarks.speed import sides


def main(config: TrainConfig) -> None:
    """Train one step; see `and_tf.train.main`."""
    sides.without_torch()
    cli.import_tensorflow()
    import keras

    from and_tf.training import train_callbacks, trainer

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict) -> None:
            os._exit(0)

    train_callbacks.callbacks = lambda *_: [Stop()]
    trainer.train(config)


if __name__ == "__main__":
    cli.run(main, TrainConfig)
