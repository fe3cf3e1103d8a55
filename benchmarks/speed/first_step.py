"""`python -m and_tf.train`, which ends as soon as its first step is done."""

from __future__ import annotations

import os
from collections.abc import Sequence

from and_tf import train
from and_tf.training.config import TrainConfig, from_flags
from and_tf.utils import cli
from benchmarks.speed import libraries


def main(argv: Sequence[str]) -> None:
    """Trains one step; see `and_tf.train.main`."""
    del argv
    config = from_flags(TrainConfig)
    libraries.without_torch()
    cli.import_tensorflow()
    import keras

    from and_tf.training import train_callbacks, trainer

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict) -> None:
            os._exit(0)

    train_callbacks.callbacks = lambda *_: [Stop()]
    trainer.train(config)


if __name__ == "__main__":
    assert train  # Its flags.
    cli.run(main)
