"""Write the images that every side trains on and is asked about."""

from __future__ import annotations

import pathlib

import numpy as np

from and_tf.utils import atomic_files
from benchmarks.peers.setting import IMAGE_SIZE, SPLITS


def path_of(
    place: pathlib.Path, split: str, most: int, seed: int
) -> pathlib.Path:
    """Return where images lie.

    Args:
        place: The directory of all.
        split: A key of `SPLITS`.
        most: The size of the random subset; 0 is all.
        seed: Of the subset.
    """
    subset = f"_n{most}_seed{seed}" if most else ""
    return place / f"images_{split}{subset}.npz"


def write(path: str, data_dir: str, split: str, most: int, seed: int) -> None:
    """Write CIFAR-10 as arrays: train, train_labels, queries, query_labels.

    Args:
        path: The .npz file.
        data_dir: Where TFDS keeps its data; "" takes its default.
        split: A key of `SPLITS`.
        most: The size of a random subset of the training images, which is
            that of `and_tf.train --max_train_examples`; 0 takes all.
        seed: Of the subset.
    """
    from and_tf import data

    train_split, test_split = SPLITS[split]
    images = data.load(
        "cifar10",
        data_dir or None,
        image_size=IMAGE_SIZE,
        train_split=train_split,
        test_split=test_split,
        max_train_examples=most,
        seed=seed,
    )
    atomic_files.write(
        pathlib.Path(path),
        lambda file: np.savez(
            file,
            train=images.train.images,
            train_labels=images.train.labels,
            queries=images.test.images,
            query_labels=images.test.labels,
        ),
    )
