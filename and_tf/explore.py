"""Looks through a folder of images: clusters, duplicates, outliers, labels.

Examples:

    A folder of photos, with an encoder that a package brings:
        python -m and_tf.explore --images=photos --output=explored

    With the encoder of a run that was trained on these images:
        python -m and_tf.explore --images=photos --output=explored \\
            --run_dir=runs/photos

    Which labels are wrong, where each class has a folder:
        python -m and_tf.explore --images=photos --output=explored \\
            --labels=folders

It reads each file once and writes a table of all images (images.parquet and
images.csv), duplicates.csv, clusters.csv, and a page to look through them,
index.html, which opens without a network. Give the same command again when
images were added: only these are read.
"""

from __future__ import annotations

from and_tf.exploring.config import ExploreConfig
from and_tf.utils import cli


def main(config: ExploreConfig) -> None:
    """Explores a folder; imports TensorFlow only after flags are checked."""
    cli.import_tensorflow()
    from and_tf.exploring import explorer

    explorer.explore(config)


if __name__ == "__main__":
    cli.run(main, ExploreConfig)
