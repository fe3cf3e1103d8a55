"""Trains an encoder to classify views, for any definition of the classes.

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
    """A model trained by cross-entropy of a cosine softmax over classes.

    There is no layer between the embedding and the classifier, so that kNN and
    clustering later compare exactly the embeddings that were trained.

    A subclass defines in `task` the views and their classes.

    Args:
        encoder, num_examples, temperature, augmenter: See `Pretext`.
        num_classes: C, the number of classes.
        seed: Random seed of the classifier's initial directions.
        name: The name of the model.

    Attributes:
        classifier: The `CosineClassifier`, or another layer from `call`'s
            output to logits, see `new_classifier`.
    """

    num_classes: int
    seed: int | None

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
        self.num_classes, self.seed = num_classes, seed
        self.classifier = self.new_classifier()
        self._accuracy = collectives.MeanOfAll(name="accuracy")

    def new_classifier(self) -> keras.layers.Layer:
        """Makes the classifier, a built layer, for `num_classes` classes."""
        return CosineClassifier(
            self.num_classes,
            self.shapes.embedding_dim,
            temperature=self.temperature,
            seed=self.seed,
        )

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss, and the share of views that are classified correctly."""
        return [self._loss, self._accuracy]

    @property
    def method_variables(self) -> list[keras.Variable]:
        """The classifier's weights."""
        return self.classifier.variables

    def task(
        self, images: tf.Tensor, sample_ids: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Makes the views to classify and their classes.

        Args:
            images: [b, S, S, 3], the augmented images.
            sample_ids: integer [b], the samples' positions in the training
                set.

        Returns:
            Views [v, S, S, 3] and their classes, integer [v]. The class −1
            leaves a view out of loss and accuracy.
        """
        raise NotImplementedError

    def view_weights(self, sample_ids: tf.Tensor) -> tf.Tensor:
        """Returns 1 for each view of `task` that has a class, else 0.

        Args:
            sample_ids: integer [b], the samples' positions in the training
                set.

        Returns:
            float32 [v].
        """
        raise NotImplementedError

    def train_step(
        self, data: tuple[tf.Tensor, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Runs one step on a batch (images, sample_ids [b])."""
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
        """Computes the losses and gradients of this replica's views.

        Args:
            images, sample_ids: This replica's batch, as in `train_step`.
            count: float32 [], the number of views of all replicas that have
                a class.

        Returns:
            For each view its weight, its loss and whether it is classified
            correctly (1 or 0), float32 [v] each; and the gradients of the
            trainable variables.
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
        """Computes loss and accuracy of (images, sample_ids)."""
        views, classes = self.task(*self.samples(data, training=False))
        counted, losses, right = collectives.gather_together(
            *self._told(views, classes, training=False)
        )
        self._loss.update_state(losses, counted)
        self._accuracy.update_state(right, counted)
        return self.get_metrics_result()

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; see `KerasInterface`."""
        return {**super().get_config(), "seed": self.seed}

    def _told(
        self, views: tf.Tensor, classes: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Computes the weight, loss and correctness of each view.

        Args:
            views, classes: The result of `task`.
            training: Whether batch norms use the statistics of the batch.

        Returns:
            float32 [v] each: 1 if the view has a class, else 0; the loss; and
            1 if it is classified correctly, else 0.
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
    """A classifier with logits w_c · x / τ, w_c and x of unit norm [1].

    It is the parametric form of AND's equation 2: it learns a direction for
    each class, where the memory bank has a row for each sample.

    Args:
        num_classes: C, the number of classes.
        embedding_dim: D, the length of an embedding.
        temperature: τ of the softmax.
        seed: Random seed of the initial directions, which are uniform on the
            unit sphere.
        name: The name of the layer.

    Attributes:
        directions: float32 [C, D], trainable; the norms of its rows have no
            effect.

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
        """Computes the logits [B, C] of unit-norm embeddings [B, D]."""
        directions = tf.math.l2_normalize(self.directions.value, axis=1)
        return tf.matmul(embeddings, directions, transpose_b=True) / (
            self.temperature
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        num_classes, embedding_dim = self.directions.shape
        return {
            "num_classes": num_classes,
            "embedding_dim": embedding_dim,
            "temperature": self.temperature,
            "seed": self.seed,
            "name": self.name,
        }
