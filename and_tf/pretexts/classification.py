"""Trains an encoder to tell classes of views apart, whatever the classes are.

The classifier is linear on the unit sphere, where embeddings are compared.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from and_tf.distribution import collectives
from and_tf.method.encoder_model import Pretext
from and_tf.method.memory_bank import initial_rows


class Classification(Pretext):
    """Cross-entropy of a cosine softmax over classes, on the embedding itself.

    Nothing lies between the embedding and its classifier, for what compares
    embeddings later, as kNN and clustering do, compares what was trained.

    A subclass says in `task` what is classified.

    Args:
        encoder, num_examples, temperature, augmenter: See `Pretext`.
        num_classes: C.
        seed: Of the classifier's first directions.

    Attributes:
        classifier: The `CosineClassifier`.
    """

    def __init__(
        self,
        encoder: keras.Model,
        num_examples: int,
        num_classes: int,
        *,
        temperature: float = 0.1,
        augmenter: keras.layers.Layer | None = None,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            encoder,
            num_examples,
            temperature=temperature,
            augmenter=augmenter,
            name=name,
        )
        self.classifier = CosineClassifier(
            num_classes,
            self.shapes.embedding_dim,
            temperature=temperature,
            seed=seed,
        )
        self._accuracy = collectives.MeanOfAll(name="accuracy")

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss, and the share of views that were classified right."""
        return [self._loss, self._accuracy]

    @property
    def method_variables(self) -> list[keras.Variable]:
        """The classifier's directions."""
        return self.classifier.variables

    def task(
        self, images: tf.Tensor, sample_ids: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What is to be classified, and how.

        Args:
            images: Augmented, [b, S, S, 3].
            sample_ids: integer [b], of the samples.

        Returns:
            Views [v, S, S, 3] and their classes, integer [v]; −1 where a view
            has none and is left out of loss and accuracy.
        """
        raise NotImplementedError

    def view_weights(self, sample_ids: tf.Tensor) -> tf.Tensor:
        """1 for each view of `task` that has a class, else 0: float32 [v].

        Args:
            sample_ids: integer [b], of the samples.
        """
        raise NotImplementedError

    def train_step(
        self, data: tuple[tf.Tensor, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """One step on (images, numbers of the samples [b])."""
        images, sample_ids = self.samples(data)
        count = collectives.all_reduce_sum(
            tf.reduce_sum(self.view_weights(sample_ids))
        )
        counted, losses, right, gradients = self.differentiated(
            images, sample_ids, count
        )
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )

        collectives.sync_batch_stats(self.encoder.non_trainable_variables)
        counted, losses, right = collectives.gather_together(
            counted, losses, right
        )
        self._loss.update_state(losses, counted)
        self._accuracy.update_state(right, counted)
        return self.get_metrics_result()

    def differentiate(
        self, images: tf.Tensor, sample_ids: tf.Tensor, count: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """What a replica computes of a step before it hears of the others.

        Args:
            images, numbers: This replica's, as those of `train_step`.
            count: The views of all replicas that have a class, float32 [].

        Returns:
            Of its views the weights, losses and whether they were told
            right, float32 [v] each, and the gradients of the trainable
            variables.
        """
        images = self.views(images)
        views, classes = self.task(images, sample_ids)  # [v, S, S, 3], [v]
        with tf.GradientTape() as tape:
            counted, losses, right = self._told(views, classes, training=True)
            loss = tf.math.divide_no_nan(tf.reduce_sum(counted * losses), count)
            loss += collectives.share(self.losses)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.trainable_variables)
        return counted, losses, right, gradients

    def test_step(
        self, data: tuple[tf.Tensor, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Loss and accuracy of (images, sample_ids); nothing is changed."""
        views, classes = self.task(*self.samples(data, training=False))
        counted, losses, right = collectives.gather_together(
            *self._told(views, classes, training=False)
        )
        self._loss.update_state(losses, counted)
        self._accuracy.update_state(right, counted)
        return self.get_metrics_result()

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again; see `KerasInterface`."""
        return {**super().get_config(), "seed": self.classifier.seed}

    def _told(
        self, views: tf.Tensor, classes: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Weights, losses and whether they were told right, float32 [v] each.

        Args:
            views, classes: As `task` gives them.
            training: Whether batch norms see the batch.
        """
        logits = self.classifier(self(views, training=training))  # [v, C]
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            tf.maximum(classes, 0), logits
        )  # [v]
        right = tf.argmax(logits, 1, classes.dtype) == classes
        counted = tf.cast(classes >= 0, tf.float32)
        return counted, losses, tf.cast(right, tf.float32)


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
