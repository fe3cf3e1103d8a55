"""Trains an encoder towards the embeddings of a teacher, which never change.

The teacher has embedded every training image once, clean and not augmented.
These embeddings are a bank of rows, as AND's memory bank is, but no step
writes to it. The student sees views, and its embedding of a view is pulled
towards what the teacher says about the whole image.
"""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from and_tf.distribution import collectives
from and_tf.method.encoder_model import Pretext
from and_tf.method.loss import log_partition
from and_tf.pretexts.similarity import draw_keys, similarity_losses
from and_tf.pretexts.teacher_rows import as_rows
from and_tf.utils.errors import InputError

LOSSES = ("cosine", "similarity", "instance")


@keras.saving.register_keras_serializable(package="and_tf")
class Distillation(Pretext):
    """A student that learns a teacher's embedding of the training images.

    Fit it on batches (images, sample_ids), as `AND`. Let z be the student's
    embedding of a view of image i, and t_j the teacher's row of image j. The
    loss is one of these:

    - "cosine": 1 − z · t_i.
    - "similarity" [1]: the cross-entropy between two softmaxes over some rows
      t_j, the keys, and t_i itself: that of t_i · t_j / τ_t, which is the
      target, and that of z · t_j / τ. Its minimum is the target's entropy.
    - "instance": −log softmax_i(z · t_j / τ) over all N rows, which is
      equation 2 of AND with a bank that does not move.

    The authors of [1] feed the teacher with the student's view, and take a
    queue of its latest embeddings for the keys. Here the teacher's embeddings
    are of whole images and exist before training. So a step costs no pass
    through the teacher, and the keys are a sample of all images.

    Args:
        encoder: See `Pretext`. Its embeddings have as many dimensions D as
            the teacher's rows.
        teacher_rows: float32 [N, D]: row i is the teacher's embedding of
            training image i, of unit norm, or zero where it has none.
        loss: "cosine", "similarity" or "instance".
        keys: The number of keys K of "similarity", drawn anew in each step;
            at most N, and all rows if it is more.
        teacher_temperature: τ_t of "similarity".
        temperature: τ of "similarity" and of "instance".
        augmenter: See `Pretext`.
        block_rows: Rows that "instance" takes at a time; see `log_partition`.
        seed: Random seed of the keys.

    Attributes:
        teacher_rows: float32 [N, D], non-trainable. It is no part of
            `method_variables`, and so of no checkpoint: it is the same in all
            of them, and as large as a small encoder or larger. A run keeps it
            in a file of its own. `save` keeps it with the model.

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

    References:
        [1] SEED, https://arxiv.org/abs/2101.04731
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
        rows = as_rows(teacher_rows)
        _check(loss, keys, teacher_temperature)
        super().__init__(
            encoder,
            len(rows),
            temperature=temperature,
            augmenter=augmenter,
            name="Distillation",
        )
        if rows.shape[1] != self.shapes.embedding_dim:
            raise InputError(
                "Expected a student with as many dimensions as its teacher's "
                f"rows, which have {rows.shape[1]}. Received an encoder with "
                f"embeddings of {self.shapes.embedding_dim} dimensions."
            )
        self.loss_name, self.keys = loss, int(keys)
        self.teacher_temperature = teacher_temperature
        self.block_rows, self.seed = block_rows, seed
        self.teacher_rows = self.add_weight(
            name="teacher_rows",
            shape=rows.shape,
            initializer="zeros",
            trainable=False,
            autocast=False,
            dtype="float32",
            aggregation="none",  # No replica ever writes to it.
        )
        self.teacher_rows.assign(rows)
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
            losses, cosines = self._compared(embeddings, sample_ids, step)
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
        step = tf.zeros([], tf.int64)
        return self._logs(*self._compared(embeddings, sample_ids, step))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; see `KerasInterface`.

        Of the rows it has the shape alone, as `save` writes them with the
        weights.
        """
        config = super().get_config()
        del config["num_examples"]  # It is the number of rows.
        return {
            **config,
            "teacher_rows": list(self.teacher_rows.shape),
            "loss": self.loss_name,
            "keys": self.keys,
            "teacher_temperature": self.teacher_temperature,
            "block_rows": self.block_rows,
            "seed": self.seed,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict | None = None
    ) -> Distillation:
        """Makes a model from `get_config`, whose rows are zero until loaded."""
        rows = np.zeros(config["teacher_rows"], np.float32)
        return super().from_config(
            {**config, "teacher_rows": rows}, custom_objects
        )

    def _compared(
        self, embeddings: tf.Tensor, sample_ids: tf.Tensor, step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the losses and z · t_i of embeddings, float32 [b] each."""
        rows = self.teacher_rows.value
        own = tf.gather(rows, sample_ids)  # [b, D]
        cosines = tf.reduce_sum(embeddings * own, axis=1)
        if self.loss_name == "cosine":
            return 1.0 - cosines, cosines
        if self.loss_name == "instance":
            every = log_partition(
                embeddings, rows, self.temperature, self.block_rows
            )
            return every - cosines / self.temperature, cosines
        keys = draw_keys(self.seed or 0, step, self.num_examples, self.keys)
        losses = similarity_losses(
            embeddings,
            own,
            tf.gather(rows, keys),
            tf.cast(sample_ids, keys.dtype)[:, None] == keys[None, :],
            self.teacher_temperature,
            self.temperature,
        )
        return losses, cosines

    def _logs(
        self, losses: tf.Tensor, cosines: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Updates the metrics with this replica's values, and returns them."""
        losses, cosines = collectives.gather_together(losses, cosines)
        self._loss.update_state(losses)
        self._cosine.update_state(cosines)
        return self.get_metrics_result()


def _check(loss: str, keys: int, teacher_temperature: float) -> None:
    """Raises an `InputError` for arguments that are out of range."""
    if loss not in LOSSES:
        raise InputError(
            f"Expected a loss among {', '.join(LOSSES)}. Received: {loss!r}."
        )
    if not isinstance(keys, Integral) or keys < 1:
        raise InputError(f"Expected 1 or more keys. Received: {keys}.")
    if not 0 < teacher_temperature < math.inf:  # This refuses NaN, too.
        raise InputError(
            "Expected a finite temperature of the teacher above 0. Received: "
            f"{teacher_temperature}."
        )
