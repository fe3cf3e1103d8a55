"""Computes pooled feature maps of a frozen encoder, in batches."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from and_tf.data.pipeline import clean_batches, finish, pass_batch
from and_tf.data.preprocessing import centre_square
from and_tf.data.split import Split

MOST_FEATURES = 9000  # About as many as AlexNet's layers in the literature.
HELD_BATCH = 2048  # The batch size if the features are in memory.


def pooled_side(side: int, channels: int) -> int:
    """Returns the largest n ≤ side with n · n · channels ≤ 9,000, or 1."""
    return max(1, min(side, int((MOST_FEATURES / channels) ** 0.5)))


def pooling_matrix(side: int, pooled: int) -> np.ndarray:
    """Makes the matrix that averages `side` places to `pooled` places.

    Row i averages places ⌊i · side / pooled⌋ up to ⌈(i + 1) · side / pooled⌉,
    as torch's adaptive average pooling does.

    Returns:
        float32 [pooled, side].
    """
    matrix = np.zeros((pooled, side), np.float32)
    for i in range(pooled):
        first, end = i * side // pooled, -(-(i + 1) * side // pooled)
        matrix[i, first:end] = 1 / (end - first)
    return matrix


def extractor(encoder: keras.Model, layer: str) -> keras.Model:
    """Makes a model that returns a layer's pooled output.

    The model shares its layers with the encoder.

    Args:
        encoder: An encoder from `encoders.build`.
        layer: The name of a layer. Its output is [B, H, H, C], or [B, C],
            which is not pooled.

    Returns:
        A model from the encoder's images to float32 [B, n, n, C], where n is
        `pooled_side(H, C)`, or to float32 [B, C].
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
    """The features that a frozen model computes from a split's clean views.

    If they fit into the memory limit, they are computed once and kept.
    Otherwise, each pass over them runs the model again, in inference mode.

    Args:
        model: A model from images [B, S, S, 3] to float32 [B, …].
        split: The N images.
        image_size: The side S of the views in pixels.
        memory_limit: The most bytes that may be kept in memory; all features
            take N · d · 4.
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
        """Iterates over all features once, in the order of the sample ids.

        Yields:
            (features float32 [b, d], sample ids int64 [b]).
        """
        if self._held is not None:
            numbers = np.arange(self._split.size)
            yield from _gathered(self._held, numbers, HELD_BATCH)
        else:
            yield from self._computed(
                clean_batches(self._split, self._size, pass_batch(self._size))
            )

    def shuffled(
        self, batch_size: int, seed: int, epoch: int
    ) -> Iterator[tuple[tf.Tensor, np.ndarray]]:
        """Iterates over all features once, shuffled.

        The order follows from (seed, epoch) alone.

        Args:
            batch_size: The batch size b; the last batch may be smaller.
            seed: The random seed, the same for all epochs.
            epoch: The number of the epoch.

        Yields:
            (features float32 [b, d], sample ids int64 [b]).
        """
        if self._held is not None:
            order = np.random.default_rng((seed, epoch))
            numbers = order.permutation(self._split.size)
            yield from _gathered(self._held, numbers, batch_size)
            return
        images = self._split.stream(tf.constant([seed, epoch], tf.int64))
        batches = images.map(
            lambda image, number: (centre_square(image, self._size), number),
            num_parallel_calls=tf.data.AUTOTUNE,
        ).batch(batch_size)
        yield from self._computed(finish(batches))

    def _computed(
        self, batches: tf.data.Dataset
    ) -> Iterator[tuple[tf.Tensor, np.ndarray]]:
        for images, numbers in batches:
            # This runs eagerly: tracing a graph for each layer costs more.
            rows = self._model(images, training=False)
            yield tf.reshape(rows, [-1, self.dimension]), numbers.numpy()


def _gathered(
    held: np.ndarray, numbers: np.ndarray, batch_size: int
) -> Iterator[tuple[tf.Tensor, np.ndarray]]:
    for start in range(0, len(numbers), batch_size):
        chosen = numbers[start : start + batch_size]
        yield tf.convert_to_tensor(held[chosen]), chosen
