"""Digits against scikit-learn's own arrays."""

from __future__ import annotations

import numpy as np
from sklearn import datasets

from and_tf.data import digits


def test_digits_are_all_there_once_and_stratified() -> None:
    data = digits.read()
    assert (data.train.size, data.test.size) == (1437, 360)
    images = np.concatenate([data.train.images, data.test.images])
    labels = np.concatenate([data.train.labels, data.test.labels])
    expected = datasets.load_digits()
    grey = np.floor(expected.images * 255 / 16 + 0.5)
    assert sorted(zip(map(bytes, images[..., 0]), labels)) == sorted(
        zip(map(bytes, grey.astype(np.uint8)), expected.target)
    )
    np.testing.assert_array_equal(images[..., 0], images[..., 2])
    shares = np.bincount(data.test.labels) / np.bincount(labels)
    np.testing.assert_allclose(shares, 0.2, atol=0.01)


def test_digits_are_the_same_each_time() -> None:
    first, second = digits.read(), digits.read()
    np.testing.assert_array_equal(first.train.images, second.train.images)
    assert first.train.class_names == tuple("0123456789")
    assert first.train.image_shape == (8, 8)
    assert first.train.images.dtype == np.uint8
    assert first.train.labels.dtype == np.int64
