"""Trains an encoder on images, without labels unless told to use them.

Examples:

    On digits that need no download, small enough for any CPU:
        python -m and_tf.train --dataset=digits --encoder=small \\
            --rounds=2 --epochs_per_round=5 --run_dir=runs/digits

    On a folder of your own images, with a recipe for a CPU:
        python -m and_tf.train --flagfile=configs/imagenette_cpu.flags \\
            --data_dir=photos --run_dir=runs/photos

    The paper's recipe on CIFAR-100; the same command continues it:
        python -m and_tf.train --flagfile=configs/cifar100.flags --resume

The run's directory receives checkpoints, metrics.csv, pictures and, at the
end, result.json with the figures. Watch a run with tensorboard --logdir runs.
"""

from __future__ import annotations

from and_tf.training.config import TrainConfig
from and_tf.utils import cli


def main(config: TrainConfig) -> None:
    """Trains an encoder; imports TensorFlow only after flags are checked."""
    cli.import_tensorflow()
    from and_tf.training import trainer

    trainer.train(config)


if __name__ == "__main__":
    cli.run(main, TrainConfig)
