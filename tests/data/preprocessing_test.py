"""The clean view, held against Pillow."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from and_tf.data.preprocessing import centre_square


def _images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _pillow(image: np.ndarray, size: int) -> np.ndarray:
    height, width, _ = image.shape
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side)
    square = Image.fromarray(image).crop(box)
    return np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))


@pytest.mark.parametrize(
    "height, width, size",
    [(40, 40, 32), (50, 37, 32), (37, 50, 16), (20, 31, 32), (33, 32, 32)],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64])
def test_matches_pillow(height, width, size, dtype):
    images = _images(3, height, width, 3)
    views = centre_square(images.astype(dtype), size)
    assert views.dtype == tf.uint8 and views.shape == (3, size, size, 3)
    expected = np.stack([_pillow(image, size) for image in images])
    difference = views.numpy().astype(int) - expected.astype(int)
    assert np.abs(difference).max() <= 1  # Pillow rounds between its passes


def test_one_image_is_treated_as_in_a_batch():
    images = _images(2, 21, 30, 3)
    one = centre_square(images[1], 16)
    np.testing.assert_array_equal(one, centre_square(images, 16)[1])


@pytest.mark.parametrize("size", [8, 24])
def test_unknown_sizes_inside_tf_data(size):
    images = [_images(24, 24, 3), _images(17, 40, 3), _images(50, 29, 3)]
    dataset = tf.data.Dataset.from_generator(
        lambda: iter(images),
        output_signature=tf.TensorSpec([None, None, 3], tf.uint8),
    ).map(lambda image: centre_square(image, size))
    assert dataset.element_spec.shape == (size, size, 3)
    for image, view in zip(images, dataset, strict=True):
        np.testing.assert_array_equal(view, centre_square(image, size))


def test_nothing_changes_at_the_right_size():
    images = _images(2, 16, 16, 3)
    np.testing.assert_array_equal(centre_square(images, 16), images)
    dynamic = tf.function(
        lambda x: centre_square(x, 16),
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)],
    )
    np.testing.assert_array_equal(dynamic(images), images)


@pytest.mark.parametrize("dtype", [tf.uint8, tf.float32])
def test_no_resize_in_the_graph_at_the_right_size(dtype):
    signature = [tf.TensorSpec([None, 16, 16, 3], dtype)]
    function = tf.function(
        lambda x: centre_square(x, 16), input_signature=signature
    )
    graph = function.get_concrete_function().graph
    operations = {operation.type for operation in graph.get_operations()}
    assert not operations & {"ScaleAndTranslate", "StridedSlice"}


def test_values_are_rounded_and_clipped():
    pixels = tf.reshape([-3.0, 0.4, 0.6, 300.0], [2, 2, 1])
    assert centre_square(pixels, 2).numpy().ravel().tolist() == [0, 0, 1, 255]


def test_is_exportable(tmp_path):
    module = tf.Module()
    module.view = tf.function(
        lambda images: centre_square(images, 16),
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)],
    )
    images = _images(2, 30, 20, 3)
    tf.saved_model.save(module, str(tmp_path / "model"))
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    np.testing.assert_array_equal(
        loaded.view(images), centre_square(images, 16)
    )
