"""How fast an epoch trained, and with which learning rate."""

from __future__ import annotations

import time
from collections.abc import Callable

import keras
import numpy as np


class Speed(keras.callbacks.Callback):
    """Adds `images_per_second`, `seconds` and `learning_rate` to the logs.

    It stands after `Curriculum` and before what evaluates, so that neither
    discovery nor evaluation counts as training.

    Args:
        num_examples: Images an epoch.
        clock: Seconds from any beginning.
    """

    def __init__(
        self, num_examples: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._num_examples = num_examples
        self._clock = clock
        self._start = 0.0
        self._rate = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Starts the clock."""
        self._start = self._clock()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Adds what it measured."""
        if logs is None:
            return
        seconds = self._clock() - self._start
        logs["seconds"] = seconds
        logs["images_per_second"] = self._num_examples / max(seconds, 1e-9)
        logs["learning_rate"] = self._rate

    def on_train_batch_begin(
        self, batch: int, logs: dict | None = None
    ) -> None:
        """Notes the rate of the epoch's first step."""
        if batch == 0:
            self._rate = float(np.asarray(self.model.optimizer.learning_rate))
