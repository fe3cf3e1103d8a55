"""Confusions of more classes than a matrix can be read with."""

from __future__ import annotations

import types

import numpy as np

from and_tf.data.split import ImageData, in_memory
from and_tf.evaluation.knn import Knn
from and_tf.reporting.sections import confusion
from tests.reporting.parsed_page import Page

CLASSES = 30


def run_of(labels: np.ndarray, predictions: np.ndarray):
    images = np.zeros((CLASSES, 4, 4, 3), np.uint8)
    names = tuple(f"class {i}" for i in range(CLASSES))
    train = in_memory("t", images, np.arange(CLASSES), class_names=names)
    count = len(labels)
    found = Knn(
        np.arange(count), labels, predictions, np.ones(count),
        np.zeros((count, 5), int), 1.0, 1.0, 200, CLASSES, 0.1,
    )  # fmt: skip
    loaded = types.SimpleNamespace(images=ImageData("t", train, None))
    return types.SimpleNamespace(votes=found, trained=loaded, moment="3 epochs")


def test_many_classes_are_their_ends_and_their_pairs():
    """Of ten queries each, class 7 loses four to 9 and class 8 two to 1."""
    labels = np.repeat(np.arange(CLASSES), 10)
    predictions = labels.copy()
    predictions[70:74], predictions[80:82] = 9, 1
    page = Page(confusion.section(run_of(labels, predictions)).content)
    assert page.table("Classes found worst")[1:3] == [
        ["class 7", "60.0 %", "10"],
        ["class 8", "80.0 %", "10"],
    ]
    assert page.table("Classes found best")[1] == ["class 0", "100.0 %", "10"]
    assert page.table("Most confused pairs")[1:] == [
        ["class 7", "class 9", "4", "40.0 %"],
        ["class 8", "class 1", "2", "20.0 %"],
    ]
    assert not any("Rows" in caption for caption in page.tables)
    assert "98.0 % are right" in page.sections[""]


def test_nothing_confused_is_said():
    labels = np.arange(3)
    content = confusion.section(run_of(labels, labels)).content
    assert "Nothing was taken for anything else" in content
