"""Trains an encoder towards the embeddings of a teacher, which never change.

The teacher has embedded every training image once, clean and not augmented.
These embeddings are a bank of rows, as AND's memory bank is, but no step
writes to it. The student sees views, and its embedding of a view is pulled
towards what the teacher says about the whole image.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from and_tf.distribution import collectives
from and_tf.method.encoder_model import Pretext
from and_tf.pretexts.teacher_loss import TeacherLoss


@keras.saving.register_keras_serializable(package="and_tf")
class Distillation(Pretext):
    """A student that learns a teacher's embedding of the training images.

    Fit it on batches (images, sample_ids), as `AND`. Its loss is that of
    `TeacherLoss`, and nothing else; `TaughtAND` has AND's beside it.

    Args:
        encoder: See `Pretext`. Its embeddings have as many dimensions D as
            the teacher's rows.
        teacher_rows: float32 [N, D]; `rows` of `TeacherLoss`.
        loss, keys, teacher_temperature: See `TeacherLoss`.
        temperature: τ of "similarity" and of "instance".
        augmenter: See `Pretext`.
        block_rows, seed: See `TeacherLoss`.

    Attributes:
        teacher: The `TeacherLoss`. Its rows are no part of
            `method_variables`, and so of no checkpoint: they are the same in
            all of them, and as large as a small encoder or larger. A run keeps
            them in files of their own. `save` keeps them with the model.

    Raises:
        InputError: If the rows are not such an array, their D is not the
            encoder's, or another argument is out of range.

    Examples:
        >>> import keras
        >>> import numpy as np
        >>> import and_tf
        >>> from and_tf.pretexts.distillation import Distillation
        >>> rng = np.random.default_rng(0)
        >>> images = rng.integers(0, 256, (40, 8, 8, 3), np.uint8)
        >>> rows = rng.normal(size=(40, 16))
        >>> rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        >>> encoder = and_tf.encoders.build("small", 8, embedding_dim=16)
        >>> student = Distillation(encoder, rows)
        >>> student.compile(keras.optimizers.SGD(0.03))
        >>> history = student.fit(images, np.arange(40), verbose=0)
        >>> sorted(history.history)
        ['cosine', 'loss']
    """

    def __init__(
        self,
        encoder: keras.Model,
        teacher_rows: ArrayLike,
        *,
        loss: str = "cosine",
        keys: int = 4096,
        teacher_temperature: float = 0.05,
        temperature: float = 0.1,
        augmenter: keras.layers.Layer | None = None,
        block_rows: int = 0,
        seed: int | None = 0,
    ) -> None:
        teacher = TeacherLoss(
            teacher_rows,
            loss=loss,
            keys=keys,
            teacher_temperature=teacher_temperature,
            temperature=temperature,
            block_rows=block_rows,
            seed=seed,
        )
        super().__init__(
            encoder,
            teacher.rows.shape[0],
            temperature=temperature,
            augmenter=augmenter,
            name="Distillation",
        )
        teacher.check_dim(self.shapes.embedding_dim)
        self.teacher = teacher
        self._cosine = collectives.MeanOfAll(name="cosine")

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss, and the mean of z · t_i."""
        return [self._loss, self._cosine]

    @property
    def method_variables(self) -> list[keras.Variable]:
        """None: the rows do not change, and the keys follow from the step."""
        return []

    def train_step(
        self, data: tuple[tf.Tensor, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Runs one step on a batch (images, sample_ids [b])."""
        images, sample_ids = self.samples(data)
        count = collectives.count_of_all(sample_ids)
        losses, cosines, gradients = self.differentiated(
            images, sample_ids, count
        )
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )

        collectives.sync_batch_stats(self.encoder.non_trainable_variables)
        return self._logs(losses, cosines)

    def differentiate(
        self,
        images: tf.Tensor,
        sample_ids: tf.Tensor,
        count: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """Computes the losses and gradients of this replica's samples.

        Args:
            images, sample_ids: This replica's batch, as in `train_step`.
            count: B, the size of the global batch; see
                `collectives.count_of_all`.

        Returns:
            Losses and z · t_i, float32 [b] each, and the gradients of the
            trainable variables.
        """
        images = self.views(images)
        # The number of steps before this one, the same on all replicas.
        step = self.optimizer.iterations.value
        with tf.GradientTape() as tape:
            embeddings = self(images, training=True)  # [b, D]
            losses, cosines = self.teacher.losses(embeddings, sample_ids, step)
            loss = collectives.share_of_mean(losses, count)
            loss += collectives.share(self.losses)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.trainable_variables)
        return losses, cosines, gradients

    def test_step(
        self, data: tuple[tf.Tensor, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Computes loss and cosine of (images, sample_ids), not augmented.

        The keys of "similarity" are those of step 0, so that the losses of
        two evaluations are comparable.
        """
        images, sample_ids = self.samples(data, training=False)
        embeddings = self(images, training=False)
        return self._logs(*self.teacher.losses(embeddings, sample_ids))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; see `KerasInterface`.

        Of the rows it has the shape alone, as `save` writes them with the
        weights.
        """
        config = super().get_config()
        del config["num_examples"]  # It is the number of rows.
        taught = self.teacher.get_config()
        del taught["name"]
        return {**config, "teacher_rows": taught.pop("rows"), **taught}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict | None = None
    ) -> Distillation:
        """Makes a model from `get_config`, whose rows are zero until loaded."""
        rows = np.zeros(config["teacher_rows"], np.float32)
        return super().from_config(
            {**config, "teacher_rows": rows}, custom_objects
        )

    def _logs(
        self, losses: tf.Tensor, cosines: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Updates the metrics with this replica's values, and returns them."""
        losses, cosines = collectives.gather_together(losses, cosines)
        self._loss.update_state(losses)
        self._cosine.update_state(cosines)
        return self.get_metrics_result()
