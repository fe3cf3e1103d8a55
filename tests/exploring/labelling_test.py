"""Labels of images, and classes for those that have none."""

from __future__ import annotations

import numpy as np
import pytest

from and_tf.evaluation.calibration import expected_calibration_error
from and_tf.exploring import labelling, places
from and_tf.utils.errors import InputError

FILES = ("a.png", "cat/b.png", "cat/c.png", "dog/d.png")


def test_labels_of_folders():
    found = labelling.read(
        "folders", FILES, [place.folder for place in places.of_files(FILES)]
    )
    assert found.names == ("cat", "dog")
    assert found.texts == [None, "cat", "cat", "dog"]
    with pytest.raises(InputError, match="--labels=folders"):
        labelling.read("folders", ["a.png"], [""])


def test_labels_of_a_table(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("file,label\ncat/b.png,2\n./dog/d.png,10\n")
    found = labelling.read(str(path), FILES, [""] * 4)
    assert found.texts == [None, "2", None, "10"]
    path.write_text("file,label\n'=a.png,1\n")  # As to_label.csv has it.
    found = labelling.read(str(path), ["=a.png"], [""])
    assert found.texts == ["1"]
    path.write_text("file,label\ncat/z.png,2\n")
    with pytest.raises(InputError, match=r"Received: 'cat/z.png', not among"):
        labelling.read(str(path), FILES, [""] * 4)


def test_labels_of_files_that_cannot_be_read_are_passed_over(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("file,label\nbroken.png,x\na.png,y\ncat/b.png,\n")
    found = labelling.read(str(path), FILES, [""] * 4, ["broken.png"])
    assert found.texts == ["y", None, None, None]


def test_no_labels():
    found = labelling.read("", FILES, [""] * 4)
    assert not found.names
    assert not found.known.any()


def test_splits_and_classes_are_told_by_folders():
    found = places.of_files(
        ["train/cat/a.png", "test/b.png", "test/dog/c/d.png"]
    )
    assert found == [("train", "cat"), ("test", ""), ("test", "dog")]
    # Without a folder for training, "test" may be a class.
    assert places.of_files(["test/b.png"]) == [("", "test")]


@pytest.mark.parametrize("method", ["knn", "linear"])
def test_classes_from_few_labels_are_right_and_calibrated(method):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 3000)
    rows = np.eye(16)[truth] + rng.normal(0, 0.35, (3000, 16))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("f")
    numbers = np.where(rng.random(3000) < 0.05, truth, -1)
    labels = labelling.Labels(("a", "b", "c"), numbers)
    found = labelling.classify(rows, labels, method, seed=0)
    assert found is not None
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    unseen = numbers < 0
    right = (found.argmax(1) == truth)[unseen].mean()
    # The best classifier knows the three means.
    best = (rows[:, :3].argmax(1) == truth)[unseen].mean()
    assert right > best - 0.08
    error = expected_calibration_error(found[unseen], truth[unseen])
    assert error < 0.1


def test_a_label_does_not_vote_for_itself():
    # One image of the second class among the first: nobody else votes so.
    rows = np.tile(np.array([[1, 0]], np.float32), (30, 1))
    rows[1] = [0.8, 0.6]
    labels = labelling.Labels(("a", "b"), np.array([1] + [0] * 29))
    found = labelling.classify(rows, labels, "knn", seed=0)
    assert found is not None
    assert found[0].argmax() == 0


def test_one_class_or_too_few_labels_give_none():
    rows = np.eye(4, dtype=np.float32)
    one = labelling.Labels(("a",), np.array([0, 0, -1, -1]))
    assert labelling.classify(rows, one, "knn", 0) is None
    few = labelling.Labels(("a", "b"), np.array([0, 1, -1, -1]))
    assert labelling.classify(rows, few, "knn", 0) is None
