"""Evaluates a run with kNN while it trains."""

from __future__ import annotations

import keras

from and_tf.evaluation.run_knn import RunKnn
from and_tf.method.rounds import Rounds


class Evaluation(keras.callbacks.Callback):
    """A callback that adds kNN accuracies to the logs of an epoch.

    It adds `knn_bank` every few epochs, and both `knn_bank` and `knn_clean` at
    the end of a round. Without a bank, it adds `knn_clean` as often as it would
    add `knn_bank`.

    Args:
        knn: The kNN evaluation of the run.
        plan: The rounds of the run.
        every: The number of epochs between two evaluations; 0 evaluates only
            at the ends of rounds.
        has_bank: Whether the model has a memory bank.
        ends_clean: Whether the bank holds the clean embeddings of the training
            images after the last epoch, so that they need not be computed.
    """

    def __init__(
        self,
        knn: RunKnn,
        plan: Rounds,
        every: int,
        has_bank: bool = True,
        *,
        ends_clean: bool = False,
    ) -> None:
        super().__init__()
        self._knn = knn
        self._plan = plan
        self._every = every
        self._has_bank = has_bank
        self._ends_clean = ends_clean

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Evaluates the model if an evaluation is due."""
        if logs is None or not self._knn.possible:
            return
        # Test images that cannot be read are reported now, and not only at the
        # end of a round.
        self._knn.wait()
        done = epoch + 1
        round_ends = done == self._plan.epochs or (
            self._plan.of_epoch(done) != self._plan.of_epoch(epoch)
        )
        due = round_ends or (self._every and done % self._every == 0)
        if not due:
            return
        # Both galleries have the same queries, which are embedded once.
        queries = self._knn.queries(self.model)
        bank = None
        if self._has_bank:
            bank = self._knn.bank(self.model, queries)
            if bank is not None:
                logs["knn_bank"] = bank.top1
        if round_ends or not self._has_bank:
            is_clean = self._ends_clean and done == self._plan.epochs
            clean = bank if is_clean else None
            clean = clean or self._knn.clean(self.model, queries)
            logs["knn_clean"] = clean.top1
            if clean.top5 is not None:
                logs["knn_clean_top5"] = clean.top5
