"""Clusters a trained run's images: a classifier that never saw a label.

    python -m and_tf.cluster --flagfile=configs/scan_cifar10.flags \\
        --run_dir=runs/cifar10

writes <run_dir>/scan/, or --output_dir.
"""

from __future__ import annotations

from collections.abc import Sequence

from and_tf.scan.config import ClusterConfig
from and_tf.training.config import define_flags, from_flags
from and_tf.utils import cli

define_flags(ClusterConfig)


def main(argv: Sequence[str]) -> None:
    """Reads the flags, before TensorFlow takes its seconds to start."""
    del argv
    config = from_flags(ClusterConfig)
    cli.import_tensorflow()
    from and_tf.scan import trainer

    trainer.cluster(config)


if __name__ == "__main__":
    cli.run(main)
