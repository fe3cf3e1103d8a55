"""RotNet: which quarter turn a view has had."""

from __future__ import annotations

import keras
import tensorflow as tf

from and_tf.pretexts.classification import Classification

TURNS = 4


@keras.saving.register_keras_serializable(package="and_tf")
class Rotation(Classification):
    """Learns to tell the four quarter turns of every view apart [1].

    A step takes each view in all four, so it encodes four times the images
    that a step of AND does. Unlike the authors, who classify by a layer above
    features that they use later, the classes are told from the embedding; see
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
        """All turns of [b, S, S, 3], and which they are; see `turned`."""
        del sample_ids
        return turned(images)

    def view_weights(self, sample_ids: tf.Tensor) -> tf.Tensor:
        """1 for each turn of each image, float32 [4 b]."""
        return tf.ones([TURNS * tf.shape(sample_ids)[0]])


def turned(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Images in their four quarter turns, counter-clockwise.

    Args:
        images: [b, S, S, 3].

    Returns:
        [4 b, S, S, 3], first all unturned, then all turned once, and so on;
        and the number of turns, int32 [4 b].
    """
    views = [tf.image.rot90(images, turns) for turns in range(TURNS)]
    return tf.concat(views, axis=0), tf.repeat(
        tf.range(TURNS), tf.shape(images)[0]
    )
