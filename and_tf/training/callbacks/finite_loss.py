"""Stops a training whose loss or weights become NaN or infinite."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import keras
import tensorflow as tf

from and_tf.training.checkpoint import Checkpoints
from and_tf.utils.errors import InputError

EVERY = 50  # Steps between two checks, at least, as a check makes a GPU wait.


class FiniteLoss(keras.callbacks.Callback):
    """A callback that raises an `InputError` at a NaN or infinite loss.

    It checks the weights too, as the loss may stay finite: a ReLU such as
    oneDNN's may turn NaN into zeros, which the layers above it then use.

    It comes before the callbacks that evaluate or record an epoch, so that the
    last checkpoint is of a good one.

    Args:
        checkpoints: The checkpoints of the run; the error names the last one.
        remedy: The advice in the error, without a full stop.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        remedy: str = "Try a lower --learning_rate, or --warmup_epochs",
    ) -> None:
        super().__init__()
        self._remedy = remedy
        self._checkpoints = checkpoints
        self._epoch = 0
        self._next = 0  # The first step that may be checked.

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Notes the number of the epoch."""
        self._epoch, self._next = epoch, 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Checks the loss and the weights now and then."""
        if logs and batch >= self._next:
            self._next = batch - batch % EVERY + EVERY
            self._check(logs["loss"])

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Checks the mean loss of the epoch, and the weights."""
        if logs:
            self._check(logs["loss"])

    def _check(self, loss: float) -> None:
        wrong = self._wrong(loss)
        if not wrong:
            return
        kept = self._checkpoints.paths()
        raise InputError(
            f"{wrong} in epoch {self._epoch + 1}. {self._remedy}; "
            + (
                f"the last good state is kept in {kept[-1]}."
                if kept
                else "no epoch was finished, so there is no checkpoint."
            )
        )

    @functools.cached_property
    def _finite(self) -> Callable[[list[tf.Variable]], tf.Tensor]:
        """The function that tells which variables are finite, all at once.

        Otherwise each variable would need an operation of its own from Python.
        """
        return tf.function(
            lambda variables: tf.stack(
                [tf.reduce_all(tf.math.is_finite(v)) for v in variables]
            ),
            autograph=False,
        )

    def _wrong(self, loss: float) -> str:
        """Returns what became NaN or infinite, in words; "" if nothing did."""
        if not math.isfinite(loss):
            return f"The loss became {loss}"
        weights = self.model.trainable_variables
        finite = self._finite([w.value for w in weights]).numpy()
        if finite.all():
            return ""
        path = weights[finite.argmin()].path
        return f"Weights {path} became NaN or infinite"
