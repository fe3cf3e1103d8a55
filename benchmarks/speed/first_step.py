"""`python -m and_tf.train`, which ends as soon as its first step is done."""

from __future__ import annotations

import os

from and_tf import cli
from and_tf.config import TrainConfig
from benchmarks.speed import libraries


def main(config: TrainConfig) -> None:
    """Trains one step; see `and_tf.train.main`."""
    libraries.without_torch()
    cli.import_tensorflow()
    import keras

    from and_tf import fitting, run

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict) -> None:
            os._exit(0)

    fitting.callbacks = lambda *_: [Stop()]
    run.train(config)


if __name__ == "__main__":
    cli.run(main, TrainConfig)
