"""Scikit-learn's digits: 1,797 images of 8x8, there without a download."""

from __future__ import annotations

import numpy as np

from and_tf.data.split import ImageData, in_memory

_TEST_SIZE = 360
_SPLIT_SEED = 0  # Part of what this data set is; no flag changes it.


def read() -> ImageData:
    """Gives 1,437 images to train on and 360 to test with, all classes alike.

    Returns:
        Splits in memory: grey values 0..16 become uint8 0..255 in three equal
        channels.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    grey, labels = load_digits(return_X_y=True)
    grey = np.rint(grey.reshape(-1, 8, 8, 1) * 255 / 16).astype(np.uint8)
    images = np.repeat(grey, 3, axis=-1)  # [N, 8, 8, 3]
    parts = train_test_split(
        np.arange(len(labels)), test_size=_TEST_SIZE, stratify=labels,
        random_state=_SPLIT_SEED,
    )  # fmt: skip
    class_names = tuple(map(str, range(10)))
    train, test = (
        in_memory(
            f"digits/{name}", images[numbers], labels[numbers].astype(np.int64),
            class_names=class_names,
        )
        for name, numbers in zip(("train", "test"), map(np.sort, parts))
    )  # fmt: skip
    return ImageData("digits", train, test)
