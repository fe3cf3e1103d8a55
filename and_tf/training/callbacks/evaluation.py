"""When a run is evaluated."""

from __future__ import annotations

import keras

from and_tf.evaluation.run_knn import RunKnn
from and_tf.method.rounds import Rounds


class Evaluation(keras.callbacks.Callback):
    """Adds `knn_bank` and, where a round ends, `knn_clean` to the logs.

    Without a bank, `knn_clean` comes as often as `knn_bank` would.

    Args:
        knn: Evaluates.
        plan: The rounds.
        every: Epochs between evaluations on the bank; 0 is where rounds end.
        has_bank: Whether the model has one.
    """

    def __init__(
        self, knn: RunKnn, plan: Rounds, every: int, has_bank: bool = True
    ) -> None:
        super().__init__()
        self._knn = knn
        self._plan = plan
        self._every = every
        self._has_bank = has_bank

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Evaluates where it is time."""
        if logs is None or not self._knn.possible:
            return
        # What cannot be read is said now, and not where a round ends.
        self._knn.wait()
        done = epoch + 1
        round_ends = done == self._plan.epochs or (
            self._plan.of_epoch(done) != self._plan.of_epoch(epoch)
        )
        due = round_ends or (self._every and done % self._every == 0)
        if due and self._has_bank:
            bank = self._knn.bank(self.model)
            if bank is not None:
                logs["knn_bank"] = bank.top1
        if round_ends or (due and not self._has_bank):
            clean = self._knn.clean(self.model)
            logs["knn_clean"] = clean.top1
            if clean.top5 is not None:
                logs["knn_clean_top5"] = clean.top5
