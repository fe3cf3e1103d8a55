"""Clusters a trained run's images: a classifier that never saw a label.

Examples:

    A run on CIFAR-10, with a recipe for a CPU:
        python -m and_tf.cluster --run_dir=runs/cifar10_cpu \\
            --flagfile=configs/scan_small_cifar10.flags

    A folder without labels, into twenty clusters:
        python -m and_tf.cluster --run_dir=runs/photos --clusters=20 \\
            --flagfile=configs/scan_folder.flags

    The paper's recipe on CIFAR-10; the same command continues it:
        python -m and_tf.cluster --run_dir=runs/cifar10 --resume \\
            --flagfile=configs/scan_cifar10.flags

It mines the neighbours of each image, trains a classifier that answers alike
for an image and its neighbours (SCAN), and then labels the images by its own
confident predictions. Everything is written to <run_dir>/scan or --output_dir.
"""

from __future__ import annotations

from and_tf.scan.config import ClusterConfig
from and_tf.utils import cli


def main(config: ClusterConfig) -> None:
    """Clusters a run; imports TensorFlow only after flags are checked."""
    cli.import_tensorflow()
    from and_tf.scan import trainer

    trainer.cluster(config)


if __name__ == "__main__":
    cli.run(main, ClusterConfig)
