"""Evaluates a classifier on the images that it did not learn from."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import softmax

from and_tf.data.split import Split
from and_tf.evaluation import calibration
from and_tf.finetuning.experiment import Finetuning

# The classifiers that are compared, by their keys in result.json.
LINEAR, TUNED, SCRATCH = "linear_head", "fine_tuned", "scratch"
NAMES = {
    LINEAR: "linear head",
    TUNED: "fine-tuned",
    SCRATCH: "from scratch",
}
# The parts of an evaluation that result.json has of the fine-tuned one alone.
TABLES = ("per_class", "confusion", "reliability")


def evaluate(training: Finetuning) -> dict[str, Any]:
    """Evaluates the present weights on the held-out and the test images.

    Without test images, the figures of the test split are None.
    """
    held, test = training.labelled.held_out, training.labelled.test
    logits = training.logits(held)
    temperature = calibration.fit_temperature(logits, held.labels)
    found: dict[str, Any] = {
        "held_out_top1": top1(logits, held),
        "held_out_loss": calibration.cross_entropy(logits, held.labels),
        "temperature": temperature,
        **dict.fromkeys(
            ("test_top1", "test_loss", "test_loss_uncalibrated", "ece",
             "ece_uncalibrated", *TABLES)
        ),
    }  # fmt: skip
    if test is None:
        return found
    logits, labels = training.logits(test), test.labels
    error = calibration.expected_calibration_error
    before, after = (softmax(logits / t, axis=1) for t in (1.0, temperature))
    confusion = confusion_table(logits.argmax(1), labels, logits.shape[1])
    return found | {
        "test_top1": top1(logits, test),
        "test_loss": calibration.cross_entropy(logits, labels, temperature),
        "test_loss_uncalibrated": calibration.cross_entropy(logits, labels),
        "ece": error(after, labels),
        "ece_uncalibrated": error(before, labels),
        "per_class": [
            float(row[number] / row.sum()) if row.any() else None
            for number, row in enumerate(confusion)
        ],
        "confusion": confusion.tolist(),
        "reliability": {
            name: calibration.reliability(probabilities, labels).figures()
            for name, probabilities in (("before", before), ("after", after))
        },
    }


def top1(logits: np.ndarray, split: Split) -> float:
    """Computes the share of images whose class has the highest logit."""
    return float((logits.argmax(1) == split.labels).mean())


def confusion_table(
    answers: np.ndarray, labels: np.ndarray, classes: int
) -> np.ndarray:
    """Counts images by class and answer, int64 [classes, classes].

    Args:
        answers: int64 [n], the answer to each image.
        labels: int64 [n], its class.
        classes: The number of classes.
    """
    places = labels * classes + answers
    counts = np.bincount(places, minlength=classes**2)
    return counts.reshape(classes, classes)
