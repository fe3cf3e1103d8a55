"""A linear classifier on the unit sphere, where embeddings are compared."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from and_tf.memory_bank import initial_rows


@keras.saving.register_keras_serializable(package="and_tf")
class CosineClassifier(keras.layers.Layer):
    """Logits w_c · x / τ of unit-norm embeddings, with unit-norm w_c [1].

    The parametric twin of AND's equation 2: a direction learned for a class
    stands where the memory bank has a row for a sample.

    Args:
        num_classes: C.
        embedding_dim: D.
        temperature: τ.
        seed: Of the first directions, uniform on the unit sphere.

    Attributes:
        directions: float32 [C, D], trainable; only where a row points counts.

    References:
        [1] NormFace, https://arxiv.org/abs/1704.06369
    """

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        *,
        temperature: float = 0.1,
        seed: int | None = None,
        name: str = "classifier",
    ) -> None:
        super().__init__(name=name, dtype="float32")
        self.temperature, self.seed = temperature, seed
        self.directions = self.add_weight(
            name="directions",
            shape=(num_classes, embedding_dim),
            initializer=initial_rows("unit", seed),
            autocast=False,
        )
        self.built = True

    def call(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Unit-norm embeddings, float32 [B, D], to logits [B, C]."""
        directions = tf.math.l2_normalize(self.directions.value, axis=1)
        return tf.matmul(embeddings, directions, transpose_b=True) / (
            self.temperature
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        num_classes, embedding_dim = self.directions.shape
        return {
            "num_classes": num_classes,
            "embedding_dim": embedding_dim,
            "temperature": self.temperature,
            "seed": self.seed,
            "name": self.name,
        }
