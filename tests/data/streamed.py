"""Makes a split whose images are streamed."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from and_tf.data.split import Seed, Split, Stream, shuffled_numbers
from and_tf.data.walking import UNREADABLE, Skipped
from and_tf.data.zero_copy import captured

N, H, W = 7, 4, 6
BROKEN = 3


def streamed(images: np.ndarray, broken: int = -1) -> Split:
    """Makes a streamed split, in which a number stands for an encoded image.

    Args:
        images: uint8 [N, H, W, 3], the images.
        broken: The number of an image that cannot be read; -1 for none.
    """

    def decode(number: tf.Tensor) -> tf.Tensor:
        image = tf.gather(captured(images), number)
        return image[: tf.where(number == broken, 0, H)]

    def encoded(seed: Seed) -> tf.data.Dataset:
        return shuffled_numbers(N, seed).map(lambda n: (n, n))

    return Split(
        "s", N, (H, W), Stream(encoded, decode), np.arange(N) * 10,
        class_names=("a", "b"), file_names=tuple("abcdefg"),
        skipped=(Skipped("0", UNREADABLE),),
    )  # fmt: skip
