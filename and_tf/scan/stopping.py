"""How many answers a clustering is sure of, and when they are no longer more.

Only the count decides anything. How many of them are right takes labels, and
is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from and_tf.data.split import Split
from and_tf.evaluation import cluster_metrics
from and_tf.scan.validation import Assessment

GROWTH = 1e-3  # Of all images; less in a share is none.
STAGE = "self_labelling"  # As against "clustering", in logs and notes.


def confident(found: Assessment, threshold: float) -> np.ndarray:
    """Which images the answer is sure of, bool [M]."""
    return found.probabilities.max(1) > threshold


def accuracy(
    found: Assessment, threshold: float, split: Split, classes: int
) -> float | None:
    """The share of sure answers that are right, clusters matched on all.

    Args:
        found: Of the split's images.
        threshold: The probability that a sure answer is above.
        split: M images.
        classes: How many there are.

    Returns:
        None without labels, or where no answer is sure.
    """
    labels = split.labels
    if labels is None or not (labels >= 0).any():
        return None
    sure = confident(found, threshold) & (labels >= 0)
    if not sure.any():
        return None
    clusters = found.probabilities.shape[1]
    scores = cluster_metrics.score(found.assigned, labels, clusters, classes)
    right = scores.matching[found.assigned[sure]] == labels[sure]
    return float(right.mean())


def shares(history: Sequence[Mapping]) -> list[float]:
    """Confident shares of the epochs of self-labelling."""
    return [row["confident"] for row in history if row.get("stage") == STAGE]


def settled(confident_shares: Sequence[float], patience: int) -> bool:
    """Whether the share has not grown for so many epochs.

    Args:
        confident_shares: One an epoch.
        patience: Epochs; 0 waits for ever.
    """
    before = confident_shares[:-patience] if patience else ()
    if not before:
        return False
    return max(confident_shares[-patience:]) < max(before) + GROWTH


class EndWhenSettled(keras.callbacks.Callback):
    """Ends a training whose confident share does not grow any more.

    It follows from the history alone, so that a run that is taken up ends
    where it would have.

    Args:
        history: Of the run, extended by what stands before it.
        patience: See `settled`.
    """

    def __init__(self, history: Sequence[Mapping], patience: int) -> None:
        super().__init__()
        self._history, self._patience = history, patience

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Ends it after this epoch where it is time."""
        if settled(shares(self._history), self._patience):
            self.model.stop_training = True
