"""Records a training: writes its checkpoints, and then its metrics.csv."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Collection, Iterator

import keras
import numpy as np

from and_tf.distribution.process_group import LOST
from and_tf.distribution.signals_between import tell_first
from and_tf.method.encoder_model import Pretext
from and_tf.training.checkpoint import best_epochs
from and_tf.training.run_directory import OutputDirectory
from and_tf.utils.errors import InputError, Interrupted
from and_tf.utils.signals import Interruption


def state(model: Pretext) -> dict[str, list[keras.Variable]]:
    """Returns the variables that training changes, by group."""
    return {
        "encoder": model.encoder.variables,
        "method": model.method_variables,
        "optimiser": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }


class Recorder(keras.callbacks.Callback):
    """A callback that writes checkpoints, and metrics.csv after each epoch.

    It writes a checkpoint after epochs in `ends`, after the last epoch, after
    one that is the best so far, and when the process is asked to end. At the
    ends of other epochs and within long ones, it writes one as often as
    `every`, `every_epochs` and `every_seconds` allow. A checkpoint is copied to
    the host's memory, and written while training goes on.

    The checkpoint holds the history too, and a resumed run writes metrics.csv
    from it anew, so that the two agree after an interruption.

    Args:
        directory: The directory of the run.
        metadata: JSON values that each checkpoint holds beside the history:
            all that a resumed run needs to know.
        history: The logs of the epochs finished before, extended in place.
        seconds: The time that the run took before, in seconds.
        first_step: The number of steps of the first epoch that were done
            before.
        every: The number of steps between two checkpoints in an epoch; 0
            writes none within an epoch.
        every_epochs: The number of epochs between two checkpoints at their
            ends.
        every_seconds: The smallest number of seconds between two of these
            checkpoints.
        ends: Numbers of finished epochs at which a checkpoint is written in
            any case.
        kept: Numbers of finished epochs at which a checkpoint is written and
            never deleted. The best one is not deleted either.
        best: Returns from a history after how many epochs the run was best,
            see `best_epochs`.
        interruption: Looked at after every step: if the process was asked to
            end, a checkpoint is written and `Interrupted` raised.
        writes: Whether this process writes the files.
        clock: Returns the time in seconds from any fixed moment.
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
        self._saved = len(history)  # Epochs in the last checkpoint.
        self._first_step = first_step
        self._metrics: list[np.ndarray] = []

    @property
    def seconds(self) -> float:
        """The time that the run took, with that before it was resumed."""
        return self._before + self._clock() - self._start

    @contextlib.contextmanager
    def closing(self) -> Iterator[None]:
        """Waits at the end of a block until all checkpoints are written.

        If the block raises an error, that is the one reported, even if a
        checkpoint cannot be written either. A process that was asked to end
        and went on until the first one ended, see `_asked`, says so.
        """
        try:
            yield
        except LOST:
            if self._writes or not self._interruption.signal_number:
                raise
            self._end("")
        except BaseException:
            with contextlib.suppress(InputError):
                self._directory.checkpoints.wait()
            raise
        self._directory.checkpoints.wait()

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Copies the metrics of an unfinished epoch before they are reset."""
        if self._first_step:
            self._metrics = [
                np.asarray(variable)
                for variable in self.model.metrics_variables
            ]

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Restores these metrics, so that their means are of all the epoch."""
        if self._first_step:
            for variable, value in zip(
                self.model.metrics_variables, self._metrics, strict=True
            ):
                variable.assign(value)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Writes a checkpoint within an epoch if one is due or asked for."""
        if batch + 1 == self.params["steps"]:
            return  # `on_epoch_end` writes it.
        step = self._first_step + batch + 1
        asked = self._asked
        reached = self._every and step % self._every == 0
        if asked or (reached and self._rested):
            self._save(step)
        if asked:
            self._end(f"step {step} of epoch {len(self.history) + 1}")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Records the epoch, and writes a checkpoint if one is due."""
        self._first_step = 0
        self.history.append({"epoch": epoch, **(logs or {})})
        asked = self._asked
        if asked or self._due():
            self._save()
        if self._writes:
            self._directory.write_metrics(self.history)
        if asked:
            self._end(f"epoch {epoch + 1}")

    def on_train_end(self, logs: dict | None = None) -> None:
        """Writes a checkpoint of the last epoch if it has none yet."""
        if self._saved < len(self.history):
            self._save()

    @property
    def _asked(self) -> int:
        """The signal that ends this process now; 0 if there is none.

        A process that does not write tells the one that does, which ends after
        a step that it keeps, and with it all others.
        """
        asked = self._interruption.signal_number
        if asked and not self._writes and tell_first(asked):
            return 0
        return asked

    @property
    def _rested(self) -> bool:
        """Returns whether the last checkpoint is long enough ago."""
        return self._clock() - self._saved_at >= self._every_seconds

    def _due(self) -> bool:
        """Returns whether the epoch that just ended needs a checkpoint."""
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
            kept = "the first process of the run keeps the run"
        raise Interrupted(
            number,
            f"{signal.Signals(number).name}; {kept}. Continue with --resume.",
        )
