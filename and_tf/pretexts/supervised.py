"""Training by the labels: the ceiling of what learns without them."""

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
    """Learns to tell the data set's classes apart. It uses the labels.

    All else is as in AND, so that what it reaches is what the same encoder,
    views and epochs could reach if every neighbour were right.

    Args:
        encoder, temperature, augmenter, seed: See `Classification`.
        labels: [N] of the training images, −1 where unknown: such an image
            is left out of the loss. Any array or list of whole numbers or
            strings, see `labels.as_labels`.
        num_classes: C; None is one more than the highest label.

    Attributes:
        labels: int64 [N], non-trainable; a step looks them up by number, and
            no checkpoint holds them.

    Raises:
        InputError: If there are not two classes.
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
            name="Supervised",
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
        """The images as they are, and their labels."""
        return images, tf.gather(self.labels.value, sample_ids)

    def view_weights(self, sample_ids: tf.Tensor) -> tf.Tensor:
        """1 for each image with a label, float32 [b]."""
        labels = tf.gather(self.labels.value, sample_ids)
        return tf.cast(labels >= 0, tf.float32)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again; see `KerasInterface`."""
        config = super().get_config()
        del config["num_examples"]  # There are as many as labels.
        return {
            **config,
            "labels": np.asarray(self.labels).tolist(),
            "num_classes": self.classifier.directions.shape[0],
        }

    def top1(self, embeddings: np.ndarray, labels: np.ndarray) -> float | None:
        """The classifier's own accuracy.

        Args:
            embeddings: float32 [Q, D], unit norm.
            labels: integer [Q], −1 where unknown: such a one is not counted.

        Returns:
            A fraction; None where no label is known.
        """
        asked = labels >= 0
        if not asked.any():
            return None
        logits = np.asarray(self.classifier(embeddings[asked]))
        return float((logits.argmax(1) == labels[asked]).mean())
