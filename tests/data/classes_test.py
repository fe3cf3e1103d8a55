"""Labels of data sets that number their classes in their own way."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from and_tf import data
from and_tf.data.labels import renumbered
from and_tf.data.split import ImageData, Split
from and_tf.training import restore

ImageAndLabel = dict[str, object]


def _split(labels: list[int] | None, names: tuple[str, ...] | None = None):
    found = None if labels is None else np.array(labels)
    size = 1 if labels is None else len(labels)
    return Split("s", size, None, lambda seed: None, found, names)


@pytest.mark.parametrize(
    ("train", "test", "names", "expected"),
    [
        ([1, 2, 3, 1], [3, 2], ("1", "2", "3"), ([0, 1, 2, 0], [2, 1])),
        ([5, -1, 10**6], [7], ("5", "7", "1000000"), ([0, -1, 2], [1])),
        ([1, 3], None, ("1", "3"), ([0, 1], None)),
    ],
)
def test_numbers_that_occur_are_counted_from_0(train, test, names, expected):
    splits = _split(train), None if test is None else _split(test)
    found = renumbered(ImageData("d", *splits))
    assert found.train.class_names == names
    np.testing.assert_array_equal(found.train.labels, expected[0])
    if test is not None:
        assert found.test.class_names == names
        np.testing.assert_array_equal(found.test.labels, expected[1])


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (_split([0, 1, -1]), _split([2])),  # Together there is no gap.
        (_split(None), _split(None)),
        (_split([1, 2], ("none", "cat", "dog")), _split([1])),
        (_split([-1, -1]), None),
    ],
)
def test_what_is_numbered_or_named_already_is_left(train, test):
    images = ImageData("d", train, test)
    assert renumbered(images) is images


def test_numbers_as_names_are_none():
    """As TFDS gives them where a data set says only how many there are."""
    found = renumbered(ImageData("d", _split([1, 2], ("0", "1", "2")), None))
    assert found.train.class_names == ("1", "2")
    assert found.train.labels.tolist() == [0, 1]


def _example(number: int) -> ImageAndLabel:
    pixels = np.full((8, 8, 3), number, np.uint8)
    return {"image": pixels, "label": 1 + number % 3}


def test_a_data_set_of_tfds_whose_labels_begin_with_1(tmp_path: pathlib.Path):
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(8, 8, 3)),
            "label": tfds.features.Scalar(np.int64),
        }
    )
    splits = {
        name: [(n, _example(n)) for n in range(count)]
        for name, count in (("train", 6), ("test", 3))
    }
    tfds.dataset_builders.store_as_tfds_dataset(
        name="onebased", version="1.0.0", data_dir=tmp_path,
        features=features, split_datasets=splits,
    )  # fmt: skip
    loaded = data.load("onebased", str(tmp_path))
    for split in (loaded.train, loaded.test):
        assert split.class_names == ("1", "2", "3")
        np.testing.assert_array_equal(
            split.labels, split.images[:, 0, 0, 0] % 3
        )
    # An export of the images keeps the data set's own numbers.
    plain = data.read_tfds_split("onebased", "train", str(tmp_path))
    assert set(plain.labels.tolist()) == {1, 2, 3}
    # A run that began when these had no names can be gone on with.
    before = restore.fingerprint(plain)
    assert before == restore.fingerprint(loaded.train, named=False)
    assert before != restore.fingerprint(loaded.train)
