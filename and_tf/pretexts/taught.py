"""Trains an encoder by AND and towards a teacher's embeddings at once."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from and_tf.distribution import collectives
from and_tf.method.model import AND
from and_tf.pretexts.teacher_loss import TeacherLoss
from and_tf.utils.errors import InputError


@keras.saving.register_keras_serializable(package="and_tf")
class TaughtAND(AND):
    """AND whose loss has a teacher's beside its own.

    The loss of a view of image i is that of `AND` plus w times that of
    `TeacherLoss`, on the same embedding. All else is as in `AND`: the memory
    bank holds the student's embeddings, and rounds are those of a `Curriculum`.

    Args:
        encoder: See `Pretext`. Its embeddings have as many dimensions D as
            the teacher's rows.
        teacher: The teacher's loss; the number of its rows is that of the
            training images.
        weight: w, above 0. At the default temperatures the gradient of AND's
            loss is up to ten times as long as that of "cosine".
        **options: Further arguments of `AND`.

    Attributes:
        teacher: As given. Its rows are in no checkpoint, see `Distillation`.
        weight: As given.

    Raises:
        InputError: If the weight is out of range, or the D of the rows is not
            the encoder's.

    Examples:
        >>> import keras
        >>> import numpy as np
        >>> import and_tf
        >>> from and_tf.pretexts.taught import TaughtAND
        >>> from and_tf.pretexts.teacher_loss import TeacherLoss
        >>> rng = np.random.default_rng(0)
        >>> images = rng.integers(0, 256, (40, 8, 8, 3), np.uint8)
        >>> rows = rng.normal(size=(40, 16))
        >>> rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        >>> encoder = and_tf.encoders.build("small", 8, embedding_dim=16)
        >>> student = TaughtAND(encoder, TeacherLoss(rows), weight=2.0)
        >>> student.compile(keras.optimizers.SGD(0.03))
        >>> history = student.fit(images, np.arange(40), verbose=0)
        >>> sorted(history.history)
        ['and_loss', 'cosine', 'loss', 'teacher_loss']
    """

    def __init__(
        self,
        encoder: keras.Model,
        teacher: TeacherLoss,
        *,
        weight: float = 1.0,
        **options: Any,
    ) -> None:
        if not 0 < weight < math.inf:  # This refuses NaN, too.
            raise InputError(
                "Expected a finite weight of the teacher's loss above 0. "
                f"Received: {weight}."
            )
        super().__init__(encoder, teacher.rows.shape[0], **options)
        teacher.check_dim(self.shapes.embedding_dim)
        self.teacher, self.weight = teacher, weight
        self._parts = [
            collectives.MeanOfAll(name=name)
            for name in ("and_loss", "teacher_loss", "cosine")
        ]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss, its two parts without the weight, and the mean z · t_i."""
        return [self._loss, *self._parts]

    def terms(
        self, embeddings: tf.Tensor, sample_ids: tf.Tensor, *, training: bool
    ) -> tuple[tuple[tf.Tensor, ...], tuple[tf.Tensor, ...]]:
        """Computes the loss of each sample, and its parts; see `AND`.

        Without training, the keys of the teacher's loss are those of step 0,
        so that the losses of two evaluations are comparable.
        """
        (own,), heard = super().terms(embeddings, sample_ids, training=training)
        # The number of steps before this one, the same on all replicas.
        step = self.optimizer.iterations.value if training else 0
        taught, cosines = self.teacher.losses(embeddings, sample_ids, step)
        return (own + self.weight * taught, own, taught, cosines), heard

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; see `KerasInterface`."""
        config = super().get_config()
        del config["num_examples"]  # It is the number of the teacher's rows.
        teacher = keras.saving.serialize_keras_object(self.teacher)
        return {**config, "teacher": teacher, "weight": self.weight}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict | None = None
    ) -> TaughtAND:
        """Makes a model from `get_config`, whose rows are zero until loaded."""
        teacher = keras.saving.deserialize_keras_object(
            config["teacher"], custom_objects=custom_objects
        )
        return super().from_config(
            {**config, "teacher": teacher}, custom_objects
        )
