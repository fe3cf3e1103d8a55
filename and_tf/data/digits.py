"""Reads scikit-learn's digits: 1,797 images of 8x8, without a download."""

from __future__ import annotations

import numpy as np

from and_tf.data.pixel_format import PixelFormat
from and_tf.data.request import Request
from and_tf.data.split import ImageData, in_memory
from and_tf.utils.errors import InputError

_TEST_SIZE = 360
_SPLIT_SEED = 0  # It defines the data set, so no flag changes it.


def load(request: Request) -> ImageData:
    """Returns what `read` does.

    Raises:
        InputError: If --channels is neither 3 nor 1.
    """
    channels = request.form.channels
    if channels not in (1, 3):
        raise InputError(
            "Expected --channels=3 or 1 with --dataset=digits, whose images "
            f"are grey. Received: {channels}."
        )
    return read(channels)


def read(channels: int = 3) -> ImageData:
    """Returns 1,437 training and 360 test images, stratified by class.

    Args:
        channels: C.

    Returns:
        Splits in memory. Grey values 0..16 become uint8 values 0..255 in C
        equal channels.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    grey, labels = load_digits(return_X_y=True)
    grey = np.rint(grey.reshape(-1, 8, 8, 1) * 255 / 16).astype(np.uint8)
    images = np.repeat(grey, channels, axis=-1)  # [N, 8, 8, C]
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
    return ImageData("digits", train, test, form=PixelFormat(channels))
