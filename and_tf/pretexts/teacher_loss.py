"""Keeps a teacher's rows, and computes how far a student is from them."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from and_tf.method.loss import log_partition
from and_tf.method.row_draws import draw_rows
from and_tf.pretexts.similarity import similarity_losses
from and_tf.pretexts.teacher_rows import as_rows
from and_tf.utils.errors import InputError

LOSSES = ("cosine", "similarity", "instance")


@keras.saving.register_keras_serializable(package="and_tf")
class TeacherLoss(keras.layers.Layer):
    """The loss of embeddings that shall become those of a teacher.

    Let z be the student's embedding of a view of image i, and t_j the
    teacher's row of image j. The loss is one of these:

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
        rows: float32 [N, D]: row i is the teacher's embedding of training
            image i, of unit norm, or zero where it has none.
        loss: "cosine", "similarity" or "instance".
        keys: The number of keys K of "similarity", drawn anew in each step;
            at most N, and all rows if it is more.
        teacher_temperature: τ_t of "similarity".
        temperature: τ of "similarity" and of "instance".
        block_rows: Rows that "instance" takes at a time; see `log_partition`.
        seed: Random seed of the keys.
        name: Name of the layer.

    Attributes:
        rows: float32 [N, D], non-trainable, whole on every replica. No step
            writes to them.

    Raises:
        InputError: If the rows are not such an array, or another argument is
            out of range.

    Examples:
        >>> import numpy as np
        >>> from and_tf.pretexts.teacher_loss import TeacherLoss
        >>> teacher = TeacherLoss(np.eye(3))
        >>> losses, cosines = teacher.losses(np.eye(3)[:1], np.array([1]))
        >>> losses.numpy(), cosines.numpy()
        (array([1.], dtype=float32), array([0.], dtype=float32))

    References:
        [1] SEED, https://arxiv.org/abs/2101.04731
    """

    def __init__(
        self,
        rows: ArrayLike,
        *,
        loss: str = "cosine",
        keys: int = 4096,
        teacher_temperature: float = 0.05,
        temperature: float = 0.1,
        block_rows: int = 0,
        seed: int | None = 0,
        name: str = "teacher",
    ) -> None:
        super().__init__(name=name, trainable=False, dtype="float32")
        rows = as_rows(rows)
        _check(loss, keys, teacher_temperature)
        self.loss_name, self.keys = loss, int(keys)
        self.teacher_temperature = teacher_temperature
        self.temperature = temperature
        self.block_rows, self.seed = block_rows, seed
        self.rows = self.add_weight(
            name="rows",
            shape=rows.shape,
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="none",  # No replica ever writes to it.
        )
        self.rows.assign(rows)

    def losses(
        self,
        embeddings: tf.Tensor,
        sample_ids: tf.Tensor,
        step: tf.Tensor | int = 0,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Computes the losses of embeddings, and their cosines z · t_i.

        Args:
            embeddings: float32 [b, D], of unit norm.
            sample_ids: integer [b], the numbers of their images.
            step: The number of steps before this one, int64 [], from which the
                keys follow. It is the same on all replicas.

        Returns:
            float32 [b] each.
        """
        embeddings = tf.cast(embeddings, tf.float32)
        rows = self.rows.value
        own = tf.gather(rows, sample_ids)  # [b, D]
        cosines = tf.reduce_sum(embeddings * own, axis=1)
        if self.loss_name == "cosine":
            return 1.0 - cosines, cosines
        if self.loss_name == "instance":
            every = log_partition(
                embeddings, rows, self.temperature, self.block_rows
            )
            return every - cosines / self.temperature, cosines
        keys = draw_rows(self.seed or 0, step, rows.shape[0], self.keys)
        losses = similarity_losses(
            embeddings,
            own,
            tf.gather(rows, keys),
            tf.cast(sample_ids, keys.dtype)[:, None] == keys[None, :],
            self.teacher_temperature,
            self.temperature,
        )
        return losses, cosines

    def check_dim(self, dim: int) -> None:
        """Raises an `InputError` if a student's embeddings have another D."""
        if self.rows.shape[1] != dim:
            raise InputError(
                "Expected a student with as many dimensions as its teacher's "
                f"rows, which have {self.rows.shape[1]}. Received an encoder "
                f"with embeddings of {dim} dimensions."
            )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments.

        Of the rows it has the shape alone, as a model's `save` writes them
        with the weights.
        """
        return {
            "rows": list(self.rows.shape),
            "loss": self.loss_name,
            "keys": self.keys,
            "teacher_temperature": self.teacher_temperature,
            "temperature": self.temperature,
            "block_rows": self.block_rows,
            "seed": self.seed,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TeacherLoss:
        """Makes a layer from `get_config`, whose rows are zero until loaded."""
        return cls(**{**config, "rows": np.zeros(config["rows"], np.float32)})


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
