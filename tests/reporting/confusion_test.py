"""Confusions of more classes than a matrix can be read with."""

from __future__ import annotations

import types

import numpy as np

from and_tf.data.split import ImageData, in_memory
from and_tf.evaluation.knn import Knn
from and_tf.reporting import encoder_sections, page
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
    return types.SimpleNamespace(
        name="t",
        votes=found,
        images=ImageData("t", train, None),
        moment="3 epochs",
        num_examples=CLASSES,
        history=[],
        epochs_planned=3,
        pretrained=None,
        has_labels=True,
        missing="",
        config=types.SimpleNamespace(dataset="t", seed=0),
        result={"seconds": 1.0, "finished": "2026-01-01T00:00:00"},
        directory=types.SimpleNamespace(path="runs/t"),
    )


def page_of(run) -> Page:
    """A page with this section alone."""
    section = page.Section("confusion", "Confusion", encoder_sections.confusion)
    return Page(page.render("run.html.j2", run, [section]))


def test_many_classes_are_their_ends_and_their_pairs():
    """Of ten queries each, class 7 loses four to 9 and class 8 two to 1."""
    labels = np.repeat(np.arange(CLASSES), 10)
    predictions = labels.copy()
    predictions[70:74], predictions[80:82] = 9, 1
    found = page_of(run_of(labels, predictions))
    assert found.table("Classes found worst")[1:3] == [
        ["class 7", "60.0 %", "10"],
        ["class 8", "80.0 %", "10"],
    ]
    assert found.table("Classes found best")[1] == ["class 0", "100.0 %", "10"]
    assert found.table("Most confused pairs")[1:] == [
        ["class 7", "class 9", "4", "40.0 %"],
        ["class 8", "class 1", "2", "20.0 %"],
    ]
    assert not any("Rows" in caption for caption in found.tables)
    assert "98.0 % are right" in found.sections["confusion"]


def test_nothing_confused_is_said():
    labels = np.arange(3)
    found = page_of(run_of(labels, labels))
    assert "No query was taken for another class" in found.sections["confusion"]
