"""Feature maps of a frozen encoder, pooled, in batches."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from and_tf.data.pipeline import clean_batches, finish
from and_tf.data.preprocessing import centre_square
from and_tf.data.split import Split

MOST_FEATURES = 9000  # Of AlexNet's layers in the literature, about.
BATCH = 512
HELD_BATCH = 2048  # Of features that are in memory.


def pooled_side(side: int, channels: int) -> int:
    """The largest n ≤ side with n · n · channels ≤ 9,000, at least 1."""
    return max(1, min(side, int((MOST_FEATURES / channels) ** 0.5)))


def pooling_matrix(side: int, pooled: int) -> np.ndarray:
    """What averages `side` places to `pooled`, float32 [pooled, side].

    Row i averages places ⌊i · side / pooled⌋ up to ⌈(i + 1) · side / pooled⌉,
    as torch's adaptive average pooling does.
    """
    matrix = np.zeros((pooled, side), np.float32)
    for i in range(pooled):
        first, end = i * side // pooled, -(-(i + 1) * side // pooled)
        matrix[i, first:end] = 1 / (end - first)
    return matrix


def extractor(encoder: keras.Model, layer: str) -> keras.Model:
    """A model that gives a layer's pooled output, sharing the encoder.

    Args:
        encoder: One that `backbones.build` made.
        layer: Whose output is [B, H, H, C], or [B, C], which is not pooled.

    Returns:
        A model from the encoder's images to float32 [B, n, n, C], see
        `pooled_side`, or [B, C].
    """
    output = encoder.get_layer(layer).output
    x = keras.ops.cast(output, "float32")
    if len(x.shape) == 4:
        side, channels = x.shape[2:]
        pooled = pooled_side(side, channels)
        if pooled < side:
            matrix = pooling_matrix(side, pooled)
            x = keras.ops.einsum("ih,bhwc->biwc", matrix, x)
            x = keras.ops.einsum("jw,biwc->bijc", matrix, x)
    return keras.Model(encoder.input, x, name=f"{layer}_features")


class Features:
    """The features of a split's clean views, by a frozen model.

    Up to a limit they are computed once and held; beyond it every pass over
    them is one of the images through the model, in inference mode.

    Args:
        model: From images [B, S, S, 3] to float32 [B, …].
        split: N images.
        image_size: S.
        memory_limit: Bytes that may be held; N · d · 4 are wanted.
    """

    def __init__(
        self,
        model: keras.Model,
        split: Split,
        image_size: int,
        memory_limit: int = 0,
    ) -> None:
        self._split = split
        self._size = image_size
        self._model = model
        self.dimension = int(np.prod(model.output_shape[1:]))  # d
        self._held = None
        if 4 * split.size * self.dimension <= memory_limit:
            held = np.empty((split.size, self.dimension), np.float32)
            for rows, numbers in self.batches():
                held[numbers] = rows
            self._held = held

    def batches(self) -> Iterator[tuple[tf.Tensor, np.ndarray]]:
        """All features once, in order of number.

        Yields:
            (float32 [b, d], int64 [b]), the numbers of their images.
        """
        if self._held is not None:
            numbers = np.arange(self._split.size)
            yield from self._gathered(numbers, HELD_BATCH)
        else:
            yield from self._computed(
                clean_batches(self._split, self._size, BATCH)
            )

    def shuffled(
        self, batch_size: int, seed: int, epoch: int
    ) -> Iterator[tuple[tf.Tensor, np.ndarray]]:
        """All features once, in an order that follows from (seed, epoch).

        Args:
            batch_size: b; the last batch may be smaller.
            seed: Of all epochs.
            epoch: Which of them.

        Yields:
            (float32 [b, d], int64 [b]), the numbers of their images.
        """
        if self._held is not None:
            order = np.random.default_rng((seed, epoch))
            numbers = order.permutation(self._split.size)
            yield from self._gathered(numbers, batch_size)
            return
        images = self._split.stream(tf.constant([seed, epoch], tf.int64))
        batches = images.map(
            lambda image, number: (centre_square(image, self._size), number),
            num_parallel_calls=tf.data.AUTOTUNE,
        ).batch(batch_size)
        yield from self._computed(finish(batches))

    def _gathered(
        self, numbers: np.ndarray, batch_size: int
    ) -> Iterator[tuple[tf.Tensor, np.ndarray]]:
        for start in range(0, len(numbers), batch_size):
            chosen = numbers[start : start + batch_size]
            yield tf.convert_to_tensor(self._held[chosen]), chosen

    def _computed(
        self, batches: tf.data.Dataset
    ) -> Iterator[tuple[tf.Tensor, np.ndarray]]:
        for images, numbers in batches:
            # Not as a graph: a trace for each layer would cost more.
            rows = self._model(images, training=False)
            yield tf.reshape(rows, [-1, self.dimension]), numbers.numpy()
