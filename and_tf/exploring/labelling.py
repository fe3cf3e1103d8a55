"""Reads the labels of images, and gives a class to those that have none."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy.special import log_softmax, softmax

from and_tf.evaluation import calibration, votes
from and_tf.exploring.config import FOLDERS, KNN
from and_tf.finetuning.labelling import read_labels
from and_tf.search.nearest import nearest
from and_tf.utils.errors import InputError
from and_tf.utils.escaping import from_csv

UNKNOWN = -1
# Neighbours that vote, at a temperature of cosines; fewer with few labels.
_NEIGHBOURS, _TEMPERATURE = 20, 0.1
# A class without a vote gets this share of one, as no class is impossible.
_FLOOR = 1e-3
_FOLDS = 5


@dataclasses.dataclass(frozen=True, eq=False)
class Labels:
    """The labels of N images.

    Attributes:
        names: The names of the C classes, sorted; empty without labels.
        numbers: int64 [N], the class of each image; −1 where unknown.
    """

    names: tuple[str, ...]
    numbers: np.ndarray

    @property
    def texts(self) -> list[str | None]:
        """The name of each image's class; None where unknown."""
        return [None if n < 0 else self.names[n] for n in self.numbers.tolist()]

    @property
    def known(self) -> np.ndarray:
        """bool [N], True for images with a label."""
        return self.numbers >= 0


def read(
    source: str,
    files: Sequence[str],
    folders: Sequence[str],
    unread: Sequence[str] = (),
) -> Labels:
    """Reads the labels of images.

    Args:
        source: "folders", the path of a CSV file, or "" for no labels.
        files: The N paths of the images below their folder.
        folders: The name of the folder that each of them lies in; "" for none.
        unread: The paths of files that cannot be read, whose labels are passed
            over.

    Raises:
        InputError: If the table cannot be read or names other images, or no
            image lies in a folder.
    """
    texts: list[str | None] = [None] * len(files)
    if source == FOLDERS:
        texts = [folder or None for folder in folders]
        if not any(texts):
            raise InputError(
                "Expected images in a folder for each class, for "
                "--labels=folders. Received: images that lie directly in "
                "--images. Give a CSV file with the columns file and label."
            )
    elif source:
        # Of images that were proposed for labelling, some may have none yet.
        known = {*files, *unread}
        # The tables that an exploration writes have names that are escaped.
        table = {
            name if name in known else from_csv(name): label
            for name, label in read_labels(source, blanks=True).items()
        }
        unknown = sorted({*table} - known)
        if unknown:
            more = f" and {len(unknown) - 1:,} more" if unknown[1:] else ""
            raise InputError(
                f"Expected paths below --images in {source}, such as "
                f"{files[0]!r}. Received: {unknown[0]!r}{more}, not among "
                f"the {len(files):,} images."
            )
        texts = [table.get(file) for file in files]
    names = tuple(sorted({text for text in texts if text is not None}))
    number_of = {name: number for number, name in enumerate(names)}
    numbers = [UNKNOWN if t is None else number_of[t] for t in texts]
    return Labels(names, np.array(numbers, np.int64))


def classify(
    rows: np.ndarray, labels: Labels, method: str, seed: int
) -> np.ndarray | None:
    """Gives each image the probabilities of the classes.

    They are calibrated: labelled images get theirs from the other labelled
    ones, and one temperature is fitted to these.

    Args:
        rows: float32 [N, D] of unit norm.
        labels: The labels, some of which are known.
        method: "knn" or "linear".
        seed: Random seed of the folds.

    Returns:
        float32 [N, C]; None with labels of fewer than two classes.
    """
    known = np.flatnonzero(labels.known)
    if len(labels.names) < 2 or len(known) <= len(labels.names):
        return None
    numbers = labels.numbers[known]
    if method == KNN:
        logits = _votes(rows, known, numbers, len(labels.names))
    else:
        logits = _linear(rows, known, numbers, len(labels.names), seed)
    temperature = calibration.fit_temperature(logits[known], numbers)
    return softmax(logits / temperature, axis=1).astype(np.float32)


def _votes(
    rows: np.ndarray, known: np.ndarray, numbers: np.ndarray, classes: int
) -> np.ndarray:
    """Returns the logarithms of neighbours' votes, float64 [N, C].

    A labelled image does not vote for itself.
    """
    gallery = rows[known]
    count = min(_NEIGHBOURS, len(known) - 1)
    others = nearest(rows, gallery, count)
    logits = _log_shares(others.similarity, numbers[others.index], classes)
    alone = nearest(gallery, gallery, count, exclude_self=True)
    logits[known] = _log_shares(alone.similarity, numbers[alone.index], classes)
    return logits


def _log_shares(
    similarity: np.ndarray, labels: np.ndarray, classes: int
) -> np.ndarray:
    counted = votes.ballots(similarity, labels, _TEMPERATURE, classes)
    return np.log(counted / counted.sum(1, keepdims=True) + _FLOOR)


def _linear(
    rows: np.ndarray,
    known: np.ndarray,
    numbers: np.ndarray,
    classes: int,
    seed: int,
) -> np.ndarray:
    """Returns the logits of a linear classifier, float64 [N, C].

    Those of labelled images come from classifiers that have not seen them,
    where each class has two images or more.
    """
    # These imports take a second, and few explorations use them.
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    scaled = rows * np.sqrt(rows.shape[1])
    model = LogisticRegression(max_iter=1000, random_state=seed)
    whole = model.fit(scaled[known], numbers)
    logits = log_softmax(_logits(whole.decision_function(scaled)), axis=1)
    folds = min(_FOLDS, int(np.bincount(numbers, minlength=classes).min()))
    if folds >= 2:
        unseen = cross_val_predict(
            model,
            scaled[known],
            numbers,
            cv=StratifiedKFold(folds, shuffle=True, random_state=seed),
            method="decision_function",
        )
        logits[known] = log_softmax(_logits(unseen), axis=1)
    return logits


def _logits(scores: np.ndarray) -> np.ndarray:
    """Returns [n, C]; scikit-learn gives one number where C = 2."""
    if scores.ndim == 2:
        return scores.astype(np.float64)
    return np.stack([-scores / 2, scores / 2], axis=1)
