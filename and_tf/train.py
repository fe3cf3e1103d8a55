"""Trains an encoder on images, without labels unless told to use them.

    python -m and_tf.train --flagfile=configs/cifar100.flags

writes runs/<dataset>/, or --run_dir; watch it with

    tensorboard --logdir runs
"""

from __future__ import annotations

from collections.abc import Sequence

from and_tf.training.config import (
    TrainConfig,
    define_flags,
    from_flags,
)
from and_tf.utils import cli

define_flags(TrainConfig)


def main(argv: Sequence[str]) -> None:
    """Reads the flags, before TensorFlow takes its seconds to start."""
    del argv
    config = from_flags(TrainConfig)
    cli.import_tensorflow()
    from and_tf.training import trainer

    trainer.train(config)


if __name__ == "__main__":
    cli.run(main)
