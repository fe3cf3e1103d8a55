"""Keeps what an epoch gave: checkpoint first, then what is read by people."""

from __future__ import annotations

import math
import time

import keras

from and_tf.errors import InputError
from and_tf.model import AND
from and_tf.run_directory import RunDirectory

LOSS_CHECK_STEPS = 50


def state(model: AND) -> dict[str, list[keras.Variable]]:
    """Everything that a training run changes, by what it belongs to."""
    return {
        "encoder": model.encoder.variables,
        "method": [model.bank.rows, model.neighbours, model.selected],
        "optimiser": model.optimizer.variables,
    }


class Recorder(keras.callbacks.Callback):
    """Writes checkpoint and metrics after every epoch; stops at a NaN loss.

    The checkpoint holds the history too, and `metrics.csv` is written from
    it, so that the two cannot tell different stories after an interruption.

    Args:
        directory: Of the run.
        notes: JSON that goes into each checkpoint beside the history:
            whatever a resumed run needs to know.
        history: The epochs finished before, extended in place.
        seconds: That the run took before.
    """

    # Keras else waits for the device after every step, to hand us its logs.
    async_safe = True

    def __init__(
        self,
        directory: RunDirectory,
        notes: dict,
        history: list[dict],
        seconds: float = 0.0,
    ) -> None:
        super().__init__()
        self._directory = directory
        self._notes = notes
        self.history = history
        self._before = seconds
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Of all processes of the run together."""
        return self._before + time.monotonic() - self._start

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Looks at the loss now and then: looking makes a GPU wait."""
        if logs and batch % LOSS_CHECK_STEPS == 0:
            self._check(float(logs["loss"]))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Keeps the epoch."""
        logs = logs or {}
        self._check(logs["loss"])
        self.history.append({"epoch": epoch, **logs})
        self._directory.checkpoints.save(
            epoch + 1,
            state(self.model),
            {
                **self._notes,
                "history": self.history,
                "seconds": self.seconds,
            },
        )
        self._directory.write_metrics(self.history)

    def _check(self, loss: float) -> None:
        if math.isfinite(loss):
            return
        kept = self._directory.checkpoints.paths()
        raise InputError(
            f"Expected a finite loss. Received: {loss} in epoch "
            f"{len(self.history) + 1}. Try a lower --learning_rate or "
            "--warmup_epochs; "
            + (
                f"the last good state is kept in {kept[-1]}."
                if kept
                else "no epoch was finished, so there is no checkpoint."
            )
        )
