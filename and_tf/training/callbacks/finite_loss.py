"""Stops a training whose loss or weights are no numbers any more."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import keras
import tensorflow as tf

from and_tf.training.checkpoint import Checkpoints
from and_tf.utils.errors import InputError

EVERY = 50  # Steps, at least; looking makes a GPU wait.


class FiniteLoss(keras.callbacks.Callback):
    """Raises an `InputError` at a NaN or infinite loss or weight.

    The loss alone would not tell: a ReLU may make zeros of NaN, as oneDNN's
    does, and what lies above it goes on with numbers.

    It stands before what evaluates or keeps an epoch, so that the last
    checkpoint is of a good one.

    Args:
        checkpoints: The run's, to name the last good one.
        remedy: What to try, without a full stop.
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
        self._next = 0  # The step from which on it looks again.

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Notes which epoch it is."""
        self._epoch, self._next = epoch, 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Looks now and then."""
        if logs and batch >= self._next:
            self._next = batch - batch % EVERY + EVERY
            self._check(logs["loss"])

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Looks at the epoch's mean."""
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
        """Which variables have finite numbers alone, all looked at at once.

        Each would otherwise be an operation that waits to be asked for.
        """
        return tf.function(
            lambda variables: tf.stack(
                [tf.reduce_all(tf.math.is_finite(v)) for v in variables]
            ),
            autograph=False,
        )

    def _wrong(self, loss: float) -> str:
        """Returns what is no number any more; "" if all is well."""
        if not math.isfinite(loss):
            return f"The loss became {loss}"
        weights = self.model.trainable_variables
        finite = self._finite([w.value for w in weights]).numpy()
        if finite.all():
            return ""
        path = weights[finite.argmin()].path
        return f"Weights {path} became NaN or infinite"
