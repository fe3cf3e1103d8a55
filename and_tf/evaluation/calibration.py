"""Calibrates the probabilities of a classifier, and measures how well.

A classifier is calibrated if, of the answers that it gives with probability
p, a share of p is right. Networks that were trained on few labels are mostly
too sure. Temperature scaling [1] divides all logits by one number, which
changes the probabilities and never the answers.

References:
    [1] Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
        https://arxiv.org/abs/1706.04599
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

BINS = 15  # As in the paper.
# Temperatures that are tried. Beyond them, probabilities are all but 0 and 1,
# or all but uniform.
COLDEST, HOTTEST = 0.05, 100.0


@dataclasses.dataclass(frozen=True, eq=False)
class Reliability:
    """A table of how often answers are right, by their probability.

    Attributes:
        count: int64 [bins], the number of images in each bin.
        confidence: float64 [bins], the mean probability of their answers; NaN
            in a bin without an image.
        accuracy: float64 [bins], the share of their answers that is right.
    """

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    def figures(self) -> dict[str, list[Any]]:
        """Returns JSON values by name, with None in empty bins."""
        return {
            name: [None if np.isnan(v) else v for v in array.tolist()]
            for name, array in vars(self).items()
        }


def cross_entropy(
    logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0
) -> float:
    """Computes the mean of −log p of the true classes.

    Args:
        logits: float [n, C], n > 0.
        labels: int64 [n] in 0..C − 1, the true classes.
        temperature: The number that logits are divided by.
    """
    scaled = np.asarray(logits, np.float64) / temperature
    log_probabilities = log_softmax(scaled, axis=1)
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Finds the temperature with the lowest cross-entropy.

    The cross-entropy is convex in 1 / T, so there is one minimum. If every
    answer is right, it has none: it falls for ever as T goes to 0, although
    nothing is known of how sure the classifier may be. The logits are then
    left as they are.

    Args:
        logits: float [n, C] of images that the classifier did not learn from.
        labels: int64 [n] in 0..C − 1, their classes.

    Returns:
        The temperature, from `COLDEST` to `HOTTEST`; 1 if all answers are
        right or there are no images.
    """
    if (np.argmax(logits, axis=1) == labels).all():
        return 1.0
    found = minimize_scalar(
        lambda power: cross_entropy(logits, labels, float(np.exp(power))),
        bounds=(np.log(COLDEST), np.log(HOTTEST)),
        method="bounded",
        options={"xatol": 1e-8},
    )
    return float(np.exp(found.x))


def reliability(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS
) -> Reliability:
    """Puts images into bins of equal width by the probability of their answer.

    Args:
        probabilities: float [n, C], n > 0.
        labels: int64 [n] in 0..C − 1, the true classes.
        bins: The number of bins.
    """
    sure = probabilities.max(1).astype(np.float64)
    right = (probabilities.argmax(1) == labels).astype(np.float64)
    # A bin is open below and closed above, so that 1 is in the last.
    places = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(places, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0 / 0 in an empty bin.
        means = [
            np.bincount(places, values, minlength=bins) / count
            for values in (sure, right)
        ]
    return Reliability(count, *means)


def expected_calibration_error(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS
) -> float:
    """Computes how far confidence and accuracy are apart, from 0 to 1.

    The error is the mean over the images of the distance between accuracy and
    mean probability in their bin.

    Args:
        probabilities, labels, bins: See `reliability`.
    """
    found = reliability(probabilities, labels, bins)
    apart = np.abs(found.accuracy - found.confidence)
    return float(np.nansum(found.count * apart) / len(labels))
