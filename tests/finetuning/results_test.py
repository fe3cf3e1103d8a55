"""What result.json says of labels, and the table that it counts."""

from __future__ import annotations

import types

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from and_tf.finetuning.results import labels_seen
from and_tf.finetuning.scoring import confusion_table


def test_confusion_is_that_of_scikit_learn(rng):
    labels, answers = rng.integers(0, 5, (2, 200))
    labels[labels == 3] = 4  # A class without an image has a row of zeros.
    np.testing.assert_array_equal(
        confusion_table(answers, labels, 5),
        confusion_matrix(labels, answers, labels=range(5)),
    )


@pytest.mark.parametrize(
    ("pretext", "which", "begun", "said"),
    [
        ("and", "last", None, "none"),
        ("supervised", "last", None, "all of digits/train, in the run"),
        ("and", "best", None, "those of digits/test, to choose the epoch"),
        (
            "supervised", "last", {"labels": "ImageNet's"},
            "ImageNet's, before the run; all of digits/train, in the run",
        ),
    ],
)  # fmt: skip
def test_labels_that_the_weights_have_seen(pretext, which, begun, said):
    def named(name):
        return types.SimpleNamespace(name=name)

    source = types.SimpleNamespace(
        checkpoint=types.SimpleNamespace(metadata={"pretrained": begun}),
        config=types.SimpleNamespace(pretext=pretext),
        images=types.SimpleNamespace(train=named("digits/train")),
        queries=named("digits/test"),
        teacher=None,
        which=which,
    )
    assert labels_seen(source) == said
