"""Trains an encoder to recognise quarter turns of views (RotNet)."""

from __future__ import annotations

import keras
import tensorflow as tf

from and_tf.pretexts.classification import Classification

TURNS = 4


@keras.saving.register_keras_serializable(package="and_tf")
class Rotation(Classification):
    """A model that learns to tell the four quarter turns of a view apart [1].

    A step takes each view in all four turns, so it encodes four times as many
    images as a step of AND. The authors classify by layers above the features
    that they evaluate. This model classifies the embedding itself; see
    `Classification`.

    Args:
        encoder, num_examples, temperature, augmenter, seed: See
            `Classification`.

    References:
        [1] https://arxiv.org/abs/1803.07728
    """

    def __init__(
        self,
        encoder: keras.Model,
        num_examples: int,
        *,
        temperature: float = 0.1,
        augmenter: keras.layers.Layer | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(
            encoder,
            num_examples,
            TURNS,
            temperature=temperature,
            augmenter=augmenter,
            seed=seed,
            name="Rotation",
        )

    def task(
        self, images: tf.Tensor, sample_ids: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns all turns of the images and their classes; see `turned`."""
        del sample_ids
        return turned(images)

    def view_weights(self, sample_ids: tf.Tensor) -> tf.Tensor:
        """Returns 1 for each turn of each image, float32 [4 b]."""
        return tf.ones([TURNS * tf.shape(sample_ids)[0]])


def turned(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns images in their four quarter turns, counter-clockwise.

    Args:
        images: [b, S, S, 3], of any dtype.

    Returns:
        [4 b, S, S, 3]: first all images unturned, then all turned once, and so
        on; and the number of quarter turns of each, int32 [4 b].
    """
    views = [tf.image.rot90(images, turns) for turns in range(TURNS)]
    return tf.concat(views, axis=0), tf.repeat(
        tf.range(TURNS), tf.shape(images)[0]
    )
