"""Ends self-labelling when the share of confident predictions settles.

Only this share, which needs no labels, ends the training. The accuracy of the
confident predictions needs labels and is only shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from and_tf.data.split import Split
from and_tf.evaluation import cluster_metrics
from and_tf.scan.validation import Assessment

GROWTH = 1e-3  # A smaller growth of the share counts as none.
# The name of the stage in logs and metadata; the other is "clustering".
STAGE = "self_labelling"


def confident(found: Assessment, threshold: float) -> np.ndarray:
    """Returns which predictions are confident, bool [M]."""
    return found.probabilities.max(1) > threshold


def accuracy(
    found: Assessment, threshold: float, split: Split, classes: int
) -> float | None:
    """Computes the accuracy of confident predictions.

    Clusters are matched to classes on all labelled images.

    Args:
        found: The assessment of the images.
        threshold: The probability above which a prediction is confident.
        split: The split of the M images.
        classes: The number of classes.

    Returns:
        The accuracy, from 0 to 1; None if there are no labels or no labelled
        image has a confident prediction.
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
    """Returns the confident share of each epoch of self-labelling."""
    return [row["confident"] for row in history if row.get("stage") == STAGE]


def settled(confident_shares: Sequence[float], patience: int) -> bool:
    """Returns whether the share has not grown for `patience` epochs.

    Args:
        confident_shares: The confident share of each epoch, from 0 to 1.
        patience: The number of epochs; with 0, the share never settles.
    """
    before = confident_shares[:-patience] if patience else ()
    if not before:
        return False
    return max(confident_shares[-patience:]) < max(before) + GROWTH


class EndWhenSettled(keras.callbacks.Callback):
    """A callback that ends the training when the confident share settles.

    The decision depends on the history only, so that a resumed run ends after
    the same epoch.

    Args:
        history: The logs of all epochs so far. A callback before this one
            must extend it at the end of each epoch.
        patience: The number of epochs without growth, see `settled`.
    """

    def __init__(self, history: Sequence[Mapping], patience: int) -> None:
        super().__init__()
        self._history, self._patience = history, patience

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Ends the training after this epoch if the share has settled."""
        if settled(shares(self._history), self._patience):
            self.model.stop_training = True
