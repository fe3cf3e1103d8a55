"""Measures the speed of an epoch, and notes its learning rate."""

from __future__ import annotations

import time
from collections.abc import Callable

import keras
import numpy as np


class Speed(keras.callbacks.Callback):
    """A callback that adds the speed and the learning rate to the logs.

    The entries are `images_per_second`, `seconds` and `learning_rate`. The
    callback comes after `Curriculum` and before the evaluation, so that neither
    discovery nor evaluation counts as training.

    Args:
        num_examples: The number of images in an epoch.
        steps_per_epoch: The number of steps in an epoch.
        first_step: The number of steps of the first epoch that were done
            before. The speed of this epoch is that of its other steps.
        clock: Returns the time in seconds from any fixed moment.
    """

    def __init__(
        self,
        num_examples: int,
        steps_per_epoch: int,
        first_step: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._images_a_step = num_examples / steps_per_epoch
        self._first_step = first_step
        self._clock = clock
        self._start = 0.0
        self._rate = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Starts the clock."""
        self._start = self._clock()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Adds the measurements to the logs."""
        if logs is None:
            return
        seconds = self._clock() - self._start
        logs["seconds"] = seconds
        images = self._images_a_step * self.params["steps"]
        logs["images_per_second"] = images / max(seconds, 1e-9)
        logs["learning_rate"] = self._rate
        self._first_step = 0

    def on_train_batch_begin(
        self, batch: int, logs: dict | None = None
    ) -> None:
        """Notes the learning rate of the epoch's first step."""
        if batch == 0:
            self._rate = self._first_rate()

    def _first_rate(self) -> float:
        optimiser = self.model.optimizer
        # With mixed_float16, the optimiser that scales the loss wraps another.
        optimiser = getattr(optimiser, "inner_optimizer", optimiser)
        rate = optimiser._learning_rate
        if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            rate = rate(optimiser.iterations.value - self._first_step)
        return float(np.asarray(rate))
