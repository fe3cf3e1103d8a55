"""Strong views: single operations held against Pillow, the rest by hand."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from and_tf.augmentation import StrongConfig, affine_ops
from and_tf.augmentation.strong import OPERATIONS, apply

SIZE = 32
# Nothing but what a test asks for.
STILL = dict(crop_area=(1.0, 1.0), flip=0.0, operations=0, cutout=(0.0, 0.0))
# Amounts that change nothing.
NONE = dict.fromkeys(OPERATIONS, 0.0) | {
    "solarise": 256.0,
    "posterise": 8.0,
    "brightness": 1.0,
    "contrast": 1.0,
    "colour": 1.0,
    "sharpness": 1.0,
}


def _eagerly(function: Callable, *tensors: tf.Tensor) -> tf.Tensor:
    return function(*tensors)


def _in_tf_data(function: Callable, *tensors: tf.Tensor) -> tf.Tensor:
    dataset = tf.data.Dataset.from_tensors(tensors)
    return next(iter(dataset.map(function)))


both_ways = pytest.mark.parametrize("run", [_eagerly, _in_tf_data])


def _images(count: int, height: int = SIZE, width: int = SIZE) -> np.ndarray:
    """Noise, of which every third has few levels and every third is smooth."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, height, width, 3), np.uint8)
    images[1::3] = images[1::3] // 3 + 40
    ramp = np.add.outer(np.arange(height), 2 * np.arange(width))
    images[2::3] = np.clip(ramp[..., np.newaxis] * (1, 2, 3), 30, 255)
    return images


def _pillow(image: np.ndarray, name: str, amount: float) -> np.ndarray:
    """One operation of Pillow's."""
    image = Image.fromarray(image)
    width, height = image.size

    def affine(*coefficients: float) -> Image.Image:
        return image.transform(image.size, Image.Transform.AFFINE, coefficients)

    operations = {
        "identity": lambda: image,
        "rotate": lambda: image.rotate(amount),
        "shear_x": lambda: affine(1, amount, 0, 0, 1, 0),
        "shear_y": lambda: affine(1, 0, 0, amount, 1, 0),
        "translate_x": lambda: affine(1, 0, amount * width, 0, 1, 0),
        "translate_y": lambda: affine(1, 0, 0, 0, 1, amount * height),
        "autocontrast": lambda: ImageOps.autocontrast(image),
        "equalise": lambda: ImageOps.equalize(image),
        "solarise": lambda: ImageOps.solarize(image, amount),
        "posterise": lambda: ImageOps.posterize(image, int(amount)),
        "brightness": lambda: ImageEnhance.Brightness(image).enhance(amount),
        "contrast": lambda: ImageEnhance.Contrast(image).enhance(amount),
        "colour": lambda: ImageEnhance.Color(image).enhance(amount),
        "sharpness": lambda: ImageEnhance.Sharpness(image).enhance(amount),
    }
    return np.asarray(operations[name]())


def _apply(run: Callable, images: np.ndarray, names, amounts) -> np.ndarray:
    result = run(
        apply,
        tf.constant(images),
        tf.constant([OPERATIONS.index(name) for name in names]),
        tf.constant(amounts, tf.float32),
    )
    assert result.dtype == tf.uint8 and result.shape == images.shape
    return result.numpy().astype(int)


# The operations.


@both_ways
@pytest.mark.parametrize("shape", [(32, 32), (21, 30)])
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_match_pillow(run, name, shape):
    images = _images(12, *shape)
    # Not evenly spaced: half pixels are for Pillow and here to round.
    rng = np.random.default_rng(2)
    amounts = rng.uniform(*StrongConfig(SIZE).ranges[name], 12)
    amounts = amounts.astype(np.float32)
    expected = [
        _pillow(image, name, float(amount))
        for image, amount in zip(images, amounts, strict=True)
    ]
    result = _apply(run, images, [name] * 12, amounts)
    difference = np.abs(result - np.array(expected, int))
    if name in affine_ops.OPERATIONS:
        # Pillow reckons in 65536ths of a pixel, so a few take the next one.
        assert np.mean(difference > 0) < 0.003
    else:
        assert difference.max() <= 1
        assert np.mean(difference > 0) < 0.001


@both_ways
def test_factors_above_one_match_pillow(run):
    """They are clipped; the ranges of a config may go there."""
    images = _images(6)
    for name in "brightness", "contrast", "colour", "sharpness":
        result = _apply(run, images, [name] * 6, [1.9] * 6)
        expected = [_pillow(image, name, 1.9) for image in images]
        assert np.abs(result - np.array(expected, int)).max() <= 1


@both_ways
def test_each_image_has_its_own_operation(run):
    count = 4 * len(OPERATIONS)
    images = _images(count)
    rng = np.random.default_rng(1)
    names = rng.permutation(OPERATIONS * 4)
    ranges = StrongConfig(SIZE).ranges
    amounts = [rng.uniform(*ranges[name]) for name in names]
    result = _apply(run, images, names, amounts)
    for index in range(count):
        expected = _pillow(images[index], names[index], amounts[index])
        agrees = np.abs(result[index] - expected) <= 1
        assert agrees.mean() > 0.98, names[index]


@both_ways
@pytest.mark.parametrize("name", OPERATIONS)
def test_no_amount_changes_nothing(run, name):
    images = _images(4)
    if name in ("autocontrast", "equalise"):  # which have no amount
        images[:] = np.arange(4)[:, np.newaxis, np.newaxis, np.newaxis]
    np.testing.assert_array_equal(
        _apply(run, images, [name] * 4, [NONE[name]] * 4), images
    )


# The draws.


def test_amounts_are_in_range_and_operations_as_frequent():
    config = StrongConfig(SIZE)
    draws = config.draw(0, 0, 4_000)
    assert draws.shape == (4_000, config.draws)
    parts = dict(
        zip(
            config.columns,
            tf.split(draws, list(config.columns.values()), axis=-1),
            strict=True,
        )
    )
    operations, amounts = config.layer().operations(
        parts["operations"], parts["amounts"]
    )
    assert operations.shape == amounts.shape == (4_000, 4)
    for index, name in enumerate(OPERATIONS):
        chosen = np.equal(operations, index)
        np.testing.assert_allclose(chosen.mean(axis=0), 1 / 14, atol=0.015)
        low, high = config.ranges[name]
        drawn = amounts.numpy()[chosen]
        reach = (high - low) * 0.01
        assert low <= drawn.min() <= low + reach
        assert high - reach <= drawn.max() <= high
    bits = np.floor(amounts.numpy()[np.equal(operations, 8)])
    assert OPERATIONS[8] == "posterise" and set(bits) == {4, 5, 6, 7}


def test_operations_follow_the_draws():
    """Each draw names its operation, and Pillow does the same in a row."""
    config = StrongConfig(SIZE, **STILL | {"operations": 2})
    count = len(OPERATIONS)
    images = _images(count)
    draws = np.full([count, config.draws], 0.5, np.float32)
    first = sum([*config.columns.values()][:4])
    draws[:, first] = (np.arange(count) + 0.5) / count
    draws[:, first + 1] = (np.arange(count)[::-1] + 0.5) / count
    draws[:, first + 2 : first + 4] = 0.8
    views = _view(config)(tf.constant(images), tf.constant(draws)).numpy()
    for index, view in enumerate(views):
        expected = images[index]
        for name in OPERATIONS[index], OPERATIONS[-1 - index]:
            low, high = config.ranges[name]
            amount = float(np.float32(low + 0.8 * (high - low)))
            expected = _pillow(expected, name, amount)
        agrees = np.abs(view - expected) <= 2
        assert agrees.mean() > 0.97, OPERATIONS[index]


# The layer.


def _view(config: StrongConfig) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    layer = config.layer()
    return lambda images, draws: layer({"images": images, "draws": draws})


@pytest.mark.parametrize(
    "run, dtype",
    [(_eagerly, tf.uint8), (_in_tf_data, tf.uint8), (_in_tf_data, tf.float32)],
)
def test_strong_views(run, dtype):
    images = tf.cast(_images(64, 30, 34), dtype)
    config = StrongConfig(24)
    views = run(_view(config), images, config.draw(1, 0, 64))
    assert views.dtype == tf.float32 and views.shape == (64, 24, 24, 3)
    assert views.numpy().min() >= 0 and views.numpy().max() <= 255


def test_nothing_happens_where_nothing_is_asked_for():
    images = _images(20)
    config = StrongConfig(SIZE, **STILL)
    views = _view(config)(tf.constant(images), config.draw(0, 0, 20))
    np.testing.assert_array_equal(views, images)


def test_flip():
    images = _images(400, 8, 8)
    config = StrongConfig(8, **STILL | {"flip": 0.3})
    views = _view(config)(tf.constant(images), config.draw(0, 0, 400))
    same = np.all(views == images, axis=(1, 2, 3))
    mirrored = np.all(views == images[:, :, ::-1], axis=(1, 2, 3))
    assert np.all(same ^ mirrored) and abs(mirrored.mean() - 0.3) < 0.07


def test_crops_are_narrow():
    """A ramp tells where a crop begins and ends."""
    ramp = np.tile(np.arange(0, 256, 4, np.uint8)[:, np.newaxis], [1, 64])
    images = np.tile(ramp[np.newaxis, ..., np.newaxis], [200, 1, 1, 3])
    cropped = {"crop_area": (0.8, 1.0), "crop_ratio": (3 / 4, 4 / 3)}
    config = StrongConfig(64, **STILL | cropped)
    views = _view(config)(tf.constant(images), config.draw(0, 0, 200)).numpy()
    heights = (views[:, -1, 0, 0] - views[:, 0, 0, 0]) / 252 * 64
    # The lowest at the widest that still fits: 0.8 of the height.
    assert 0.78 * 64 < heights.min() < 0.85 * 64 and heights.max() > 63


@pytest.mark.parametrize("cutout", [(0.5, 0.5), (0.0, 0.5)])
def test_cutout(cutout):
    config = StrongConfig(
        SIZE, **STILL | {"cutout": cutout, "cutout_colour": (1.0, 2.0, 3.0)}
    )
    images = np.full((300, SIZE, SIZE, 3), 200, np.uint8)
    draws = config.draw(0, 0, 300)
    views = _view(config)(tf.constant(images), draws).numpy()
    low, high = cutout
    for view, (u, y, x) in zip(views, draws.numpy()[:, -3:], strict=True):
        side = 2 * round((low + u * (high - low)) / 2 * SIZE)
        top, left = int(y * SIZE) - side // 2, int(x * SIZE) - side // 2
        expected = np.full((SIZE, SIZE, 3), 200.0)
        square = expected[
            max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)
        ]
        square[:] = 1, 2, 3
        np.testing.assert_array_equal(view, expected)
    holes = (views[..., 0] == 1).sum(axis=(1, 2))
    assert holes.max() == 256 and holes.min() >= (64 if low else 0)


def test_a_view_depends_on_its_own_draws_alone():
    images = tf.constant(_images(60))
    config = StrongConfig(SIZE, crop_area=(1.0, 1.0))
    view, draws = _view(config), config.draw(0, 3, 60)
    views = view(images, draws)
    np.testing.assert_array_equal(views, view(images, draws))
    in_tf_data = _in_tf_data(view, images, draws)
    assert np.mean(np.not_equal(in_tf_data, views)) < 0.001
    for start, end in (0, 1), (9, 44):
        part = view(images[start:end], draws[start:end])
        np.testing.assert_array_equal(part, views[start:end])
    order = np.random.default_rng(0).permutation(60)
    mixed = view(tf.gather(images, order), tf.gather(draws, order))
    np.testing.assert_array_equal(mixed, tf.gather(views, order))


def test_one_image_is_augmented_as_in_a_batch():
    """But for a level here and there that is rounded the other way."""
    images = tf.constant(_images(30, 50, 41))
    config = StrongConfig(SIZE)
    draws = config.draw(0, 0, 30)
    one = config.layer().augment_one
    singles = tf.data.Dataset.from_tensor_slices((images, draws)).map(one)
    for view, expected in zip(
        singles, _view(config)(images, draws), strict=True
    ):
        assert view.shape == (SIZE, SIZE, 3)
        assert np.mean(np.abs(view - expected) > 1) < 0.02


def test_no_loop_over_the_images_enters_a_graph():
    config = StrongConfig(8)
    graph = (
        tf.function(_view(config))
        .get_concrete_function(
            tf.TensorSpec([None, 8, 8, 3], tf.uint8),
            tf.TensorSpec([None, config.draws], tf.float32),
        )
        .graph
    )
    operations = {operation.type for operation in graph.get_operations()}
    assert not [name for name in operations if "While" in name]


def test_float32_whatever_the_policy():
    images, config = tf.constant(_images(20, 8, 8)), StrongConfig(8)
    draws = config.draw(0, 0, 20)
    expected = _view(config)(images, draws)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        views = _view(config)(images, draws)
    finally:
        keras.config.set_dtype_policy(policy)
    np.testing.assert_array_equal(views, expected)


def test_views_are_the_same_in_another_process(tmp_path):
    """One that TensorFlow holds to deterministic operations."""
    code = (
        "import numpy, sys; from tests.augmentation import strong_test\n"
        "numpy.save(sys.argv[1], strong_test.views_of_all())"
    )
    path = tmp_path / "views.npy"
    subprocess.run(
        [sys.executable, "-c", code, path],
        env=os.environ | {"TF_DETERMINISTIC_OPS": "1"},
        cwd=pathlib.Path(__file__).parents[2],
        check=True,
    )
    np.testing.assert_array_equal(np.load(path), views_of_all())


def views_of_all() -> tf.Tensor:
    """A view of each of 60 images, with all operations among them."""
    config = StrongConfig(SIZE)
    return _view(config)(tf.constant(_images(60)), config.draw(0, 0, 60))
