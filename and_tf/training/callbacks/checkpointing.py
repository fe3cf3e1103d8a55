"""Keeps what a training gave: checkpoint first, then what people read."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Collection, Iterator

import keras
import numpy as np

from and_tf.method.encoder_model import Pretext
from and_tf.training.checkpoint import best_epochs
from and_tf.training.run_directory import OutputDirectory
from and_tf.utils.errors import InputError, Interrupted
from and_tf.utils.signals import Interruption


def state(model: Pretext) -> dict[str, list[keras.Variable]]:
    """Everything that a training run changes, by what it belongs to."""
    return {
        "encoder": model.encoder.variables,
        "method": model.method_variables,
        "optimiser": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }


class Recorder(keras.callbacks.Callback):
    """Writes checkpoints, and `metrics.csv` after every epoch.

    There is a checkpoint after epochs in `ends`, after the last one, after
    one that is the best so far, and where the process was asked to end;
    elsewhere, at the end of epochs and within long ones, no more often than
    is asked for. It is copied to the host's memory, and written while
    training goes on.

    The checkpoint holds the history too, and a resumed run writes
    `metrics.csv` from it anew, so that the two cannot tell different stories
    after an interruption.

    Args:
        directory: Of the run.
        metadata: JSON that goes into each checkpoint beside the history:
            whatever a resumed run needs to know.
        history: The epochs finished before, extended in place.
        seconds: That the run took before.
        first_step: Steps of the first epoch to come that were done before.
        every: Steps of an epoch between checkpoints; 0 is at its end alone.
        every_epochs: Epochs between checkpoints at their ends.
        every_seconds: Seconds between any two checkpoints, at least.
        ends: After so many epochs there is a checkpoint in any case.
        kept: The checkpoints after so many epochs are kept for good, as the
            best one is in any case.
        best: After how many epochs of a history the run was best, see
            `best_epochs`.
        interruption: Looked at after every step: where the process was asked
            to end, a checkpoint is written and `Interrupted` raised.
        writes: Whether this process is the one that writes.
        clock: Seconds from any fixed moment.
    """

    def __init__(
        self,
        directory: OutputDirectory,
        metadata: dict,
        history: list[dict],
        seconds: float = 0.0,
        *,
        first_step: int = 0,
        every: int = 0,
        every_epochs: int = 1,
        every_seconds: float = 0.0,
        ends: Collection[int] = (),
        kept: Collection[int] = (),
        best: Callable[[list[dict]], int] = best_epochs,
        interruption: Interruption | None = None,
        writes: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._directory = directory
        self._metadata = metadata
        self.history = history
        self._before = seconds
        self._every = every
        self._every_epochs = every_epochs
        self._every_seconds = every_seconds
        self._ends = frozenset(ends) | frozenset(kept)
        self._kept = frozenset(kept)
        self._best = best
        self._writes = writes
        self._interruption = interruption or Interruption()
        self._clock = clock
        self._start = self._saved_at = clock()
        self._saved = len(history)  # Epochs that the last checkpoint is after.
        self._first_step = first_step
        self._metrics: list[np.ndarray] = []

    @property
    def seconds(self) -> float:
        """Of all processes of the run together."""
        return self._before + self._clock() - self._start

    @contextlib.contextmanager
    def closing(self) -> Iterator[None]:
        """Waits, however the block ends, until all is written.

        An error of the block is the one that is told, also where a checkpoint
        cannot be written meanwhile.
        """
        try:
            yield
        except BaseException:
            with contextlib.suppress(InputError):
                self._directory.checkpoints.wait()
            raise
        self._directory.checkpoints.wait()

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Takes the metrics of an epoch's part before Keras resets them."""
        if self._first_step:
            self._metrics = [
                np.asarray(variable)
                for variable in self.model.metrics_variables
            ]

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Gives them back, so that the epoch's mean is that of all of it."""
        if self._first_step:
            for variable, value in zip(
                self.model.metrics_variables, self._metrics, strict=True
            ):
                variable.assign(value)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Keeps the state within an epoch where it is time, or asked for."""
        if batch + 1 == self.params["steps"]:
            return  # The end of the epoch keeps it.
        step = self._first_step + batch + 1
        asked = self._interruption.signal_number
        reached = self._every and step % self._every == 0
        if asked or (reached and self._rested):
            self._save(step)
        if asked:
            self._end(f"step {step} of epoch {len(self.history) + 1}")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Keeps the epoch."""
        self._first_step = 0
        self.history.append({"epoch": epoch, **(logs or {})})
        asked = self._interruption.signal_number
        if asked or self._due():
            self._save()
        if self._writes:
            self._directory.write_metrics(self.history)
        if asked:
            self._end(f"epoch {epoch + 1}")

    def on_train_end(self, logs: dict | None = None) -> None:
        """Keeps the last epoch, also where training has ended early."""
        if self._saved < len(self.history):
            self._save()

    @property
    def _rested(self) -> bool:
        """Whether the last checkpoint is long enough ago."""
        return self._clock() - self._saved_at >= self._every_seconds

    def _due(self) -> bool:
        """Whether the epoch that has just ended is to be kept."""
        done = len(self.history)
        if done in self._ends or done in (
            self.params["epochs"], self._best(self.history)
        ):  # fmt: skip
            return True
        return self._rested and done - self._saved >= self._every_epochs

    def _save(self, step: int = 0) -> None:
        self._saved, self._saved_at = len(self.history), self._clock()
        if not self._writes:
            return
        self._directory.checkpoints.save(
            len(self.history),
            state(self.model),
            {
                **self._metadata,
                "history": self.history,
                "seconds": self.seconds,
            },
            step=step,
            kept=self._kept | {self._best(self.history)},
            beside=True,
        )

    def _end(self, place: str) -> None:
        self._directory.checkpoints.wait()
        number = self._interruption.signal_number
        kept = f"the run is kept up to {place} in {self._directory.path}"
        if not self._writes:
            kept = "the first process of TF_CONFIG keeps the run"
        raise Interrupted(
            number,
            f"{signal.Signals(number).name}; {kept}. Continue with --resume.",
        )
