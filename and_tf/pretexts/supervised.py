"""Trains an encoder with labels, an upper bound for methods without them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from and_tf.data.labels import as_labels
from and_tf.pretexts.classification import Classification
from and_tf.utils.errors import InputError


@keras.saving.register_keras_serializable(package="and_tf")
class Supervised(Classification):
    """A supervised model that learns to tell the data set's classes apart.

    All else is as in AND, so its accuracy is what the same encoder, views and
    epochs could reach if every neighbour were right.

    Args:
        encoder, temperature, augmenter, seed, name: See `Classification`.
        labels: [N], the labels of the training images, −1 where unknown; an
            image without a label is left out of the loss. Any array or list
            of whole numbers or strings; see `labels.as_labels`.
        num_classes: C, the number of classes, raised to one more than the
            highest label if it is lower. None takes that number.

    Attributes:
        labels: int64 [N], non-trainable. A step looks labels up by sample_id;
            checkpoints do not contain them.

    Raises:
        InputError: If the labels have fewer than two classes.
    """

    uses_labels = True

    def __init__(
        self,
        encoder: keras.Model,
        labels: ArrayLike,
        num_classes: int | None = None,
        *,
        temperature: float = 0.1,
        augmenter: keras.layers.Layer | None = None,
        seed: int | None = None,
        name: str = "Supervised",
    ) -> None:
        labels = as_labels(labels)
        found = np.unique(labels[labels >= 0])
        if len(found) < 2:
            raise InputError(
                "Expected labels of 2 or more classes in the training images, "
                f"to learn from. Received: {len(found)}."
            )
        super().__init__(
            encoder,
            len(labels),
            max(num_classes or 0, int(found[-1]) + 1),
            temperature=temperature,
            augmenter=augmenter,
            seed=seed,
            name=name,
        )
        self.labels = self.add_weight(
            name="labels",
            shape=labels.shape,
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.labels.assign(labels)

    def task(
        self, images: tf.Tensor, sample_ids: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the images as they are, and their labels."""
        return images, tf.gather(self.labels.value, sample_ids)

    def view_weights(self, sample_ids: tf.Tensor) -> tf.Tensor:
        """Returns 1 for each image with a label, else 0, float32 [b]."""
        labels = tf.gather(self.labels.value, sample_ids)
        return tf.cast(labels >= 0, tf.float32)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; see `KerasInterface`."""
        config = super().get_config()
        del config["num_examples"]  # It is the number of labels.
        return {
            **config,
            "labels": np.asarray(self.labels).tolist(),
            "num_classes": self.num_classes,
        }

    def top1(self, embeddings: np.ndarray, labels: np.ndarray) -> float | None:
        """Computes the accuracy of the model's own classifier.

        Args:
            embeddings: float32 [Q, D], unit norm.
            labels: integer [Q], −1 where unknown; those are not counted.

        Returns:
            The accuracy in [0, 1]; None if no label is known.
        """
        asked = labels >= 0
        if not asked.any():
            return None
        logits = np.asarray(self.classifier(embeddings[asked]))
        return float((logits.argmax(1) == labels[asked]).mean())
