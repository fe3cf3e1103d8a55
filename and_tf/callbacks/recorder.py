"""Keeps what an epoch gave: checkpoint first, then what is read by people."""

from __future__ import annotations

import time

import keras

from and_tf.model import AND
from and_tf.run_directory import RunDirectory


def state(model: AND) -> dict[str, list[keras.Variable]]:
    """Everything that a training run changes, by what it belongs to."""
    return {
        "encoder": model.encoder.variables,
        "method": [model.bank.rows, model.neighbours, model.selected],
        "optimiser": model.optimizer.variables,
    }


class Recorder(keras.callbacks.Callback):
    """Writes checkpoint and metrics after every epoch.

    The checkpoint holds the history too, and `metrics.csv` is written from
    it, so that the two cannot tell different stories after an interruption.

    Args:
        directory: Of the run.
        notes: JSON that goes into each checkpoint beside the history:
            whatever a resumed run needs to know.
        history: The epochs finished before, extended in place.
        seconds: That the run took before.
    """

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

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Keeps the epoch."""
        self.history.append({"epoch": epoch, **(logs or {})})
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
