"""What is said of first weights."""

from __future__ import annotations

import pytest

from and_tf.utils import provenance


@pytest.mark.parametrize(
    ("labels", "helped", "said"),
    [
        ("none", False, "w, which have seen no labels"),
        ("unknown", True, "w, which have seen unknown labels"),
        ("ImageNet-1k", True, "w, which have seen ImageNet-1k"),
    ],
)
def test_labels_are_said_where_they_may_have_helped(labels, helped, said):
    told = {"source": "w", "labels": labels}
    assert provenance.has_seen_labels(told) is helped
    assert provenance.describe(told) == said
    note = provenance.footnote([{}, {"pretrained": None}, {"pretrained": told}])
    assert note.endswith(f"{said}.\n") is helped and bool(note) is helped


def test_each_is_told_once():
    told = {"pretrained": {"source": "w", "labels": "ImageNet-1k"}}
    assert provenance.footnote([told, told]).count("ImageNet-1k") == 1
    assert not provenance.has_seen_labels(None)
