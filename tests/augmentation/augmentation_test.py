"""Random views, held against Pillow, NumPy and colorsys."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance

from and_tf.augmentation import (
    DRAWS,
    RandomView,
    ViewConfig,
    colour,
    crop,
    draw,
)

NEUTRAL = dict(
    crop_area=(1.0, 1.0),
    crop_ratio=(1.0, 1.0),
    brightness=0.0,
    contrast=0.0,
    saturation=0.0,
    hue=0.0,
    greyscale=0.0,
)


def _eagerly(function: Callable, *tensors: tf.Tensor) -> tf.Tensor:
    return function(*tensors)


def _in_tf_data(function: Callable, *tensors: tf.Tensor) -> tf.Tensor:
    dataset = tf.data.Dataset.from_tensors(tensors)
    return next(iter(dataset.map(function)))


def _compiled(function: Callable, *tensors: tf.Tensor) -> tf.Tensor:
    return tf.function(function, jit_compile=True)(*tensors)


both_ways = pytest.mark.parametrize("run", [_eagerly, _in_tf_data])


def _images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _planes(images: np.ndarray) -> tf.Tensor:
    """[B, H, W, 3] as colour planes [B, 3, H * W]."""
    planes = images.reshape(len(images), -1, 3).transpose(0, 2, 1)
    return tf.constant(planes, tf.float32)


def _pixels(planes: tf.Tensor) -> np.ndarray:
    return planes.numpy().transpose(0, 2, 1)  # [B, P, 3]


def _view(config: ViewConfig) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    layer = RandomView(config)
    return lambda images, draws: layer({"images": images, "draws": draws})


# Crops.


def _pillow_crop(image: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    top, left, height, width = (int(x) for x in box)
    box = (left, top, left + width, top + height)
    channels = [
        Image.fromarray(channel.astype(np.float32), mode="F")
        .crop(box)
        .resize((size, size), Image.Resampling.BILINEAR)
        for channel in np.moveaxis(image, -1, 0)
    ]
    return np.stack([np.asarray(channel) for channel in channels])


BOXES = [[0, 0, 40, 30], [3, 5, 1, 1], [7, 2, 9, 25], [1, 0, 37, 8]]


@both_ways
@pytest.mark.parametrize("size", [6, 16, 50])
def test_resample_matches_pillow(run, size):
    images = _images(4, 40, 30, 3)
    planes = run(
        lambda *tensors: crop.resample(*tensors, size),
        tf.constant(images, tf.float32),
        tf.constant(BOXES),
        tf.zeros(4, tf.bool),
    )
    expected = [
        _pillow_crop(image, box, size)
        for image, box in zip(images, BOXES, strict=True)
    ]
    np.testing.assert_allclose(planes, expected, atol=0.01)


@both_ways
@pytest.mark.parametrize("size", [6, 50])
@pytest.mark.parametrize("flip", [False, True])
def test_one_image_is_resampled_as_in_a_batch(run, size, flip):
    images = _images(4, 40, 30, 3)
    together = crop.resample(
        tf.constant(images, tf.float32),
        tf.constant(BOXES),
        tf.fill([4], flip),
        size,
    )
    for image, box, expected in zip(images, BOXES, together, strict=True):
        planes = run(
            lambda *tensors: crop.resample_one(*tensors, size),
            tf.constant(image),
            tf.constant(box),
            tf.constant(flip),
        )
        np.testing.assert_allclose(planes, expected, atol=0.01)


def _torchvision_box(areas, ratios, place, height, width, area, ratio):
    """The loop of torchvision's RandomResizedCrop, on given uniforms."""
    for area_draw, ratio_draw in zip(areas, ratios, strict=True):
        pixels = height * width * (area[0] + area_draw * (area[1] - area[0]))
        low, high = math.log(ratio[0]), math.log(ratio[1])
        aspect = math.exp(low + ratio_draw * (high - low))
        w = round(math.sqrt(pixels * aspect))
        h = round(math.sqrt(pixels / aspect))
        if 0 < w <= width and 0 < h <= height:
            top = math.floor(place[0] * (height - h + 1))
            return top, math.floor(place[1] * (width - w + 1)), h, w
    h, w = height, width
    if width / height < ratio[0]:
        h = round(width / ratio[0])
    elif width / height > ratio[1]:
        w = round(height * ratio[1])
    return (height - h) // 2, (width - w) // 2, h, w


@both_ways
@pytest.mark.parametrize("shape", [(32, 32), (90, 60), (20, 61), (61, 20)])
def test_boxes_match_torchvisions_loop(run, shape, rng):
    area, ratio = (0.2, 1.0), (3 / 4, 4 / 3)
    draws = rng.random([200, 8], np.float32)  # 3 tries, so that some fail
    areas, ratios, places = np.split(draws, [3, 6], axis=1)
    boxes = run(
        lambda *draws: crop.random_boxes(*draws, shape, area, ratio),
        *(tf.constant(draws) for draws in (areas, ratios, places)),
    )
    expected = [
        _torchvision_box(*draws, *shape, area, ratio)
        for draws in zip(areas, ratios, places, strict=True)
    ]
    # A rounding of x.5 may differ between float32 and Python's float64.
    assert np.mean(np.all(boxes == np.array(expected), axis=1)) > 0.99


def test_crops_are_as_large_and_as_wide_as_asked_for():
    draws = draw(0, 0, 4_000)
    boxes = crop.random_boxes(
        draws[:, :10], draws[:, 10:20], draws[:, 20:22],
        (400, 400), (0.2, 1.0), (3 / 4, 4 / 3),
    ).numpy()  # fmt: skip
    top, left, height, width = boxes.T
    assert top.min() >= 0 and (top + height).max() <= 400
    assert left.min() >= 0 and (left + width).max() <= 400
    area, ratio = height * width / 400**2, width / height
    assert 0.195 < area.min() < 0.21 and 0.98 < area.max() <= 1
    assert 0.74 < ratio.min() < 0.76 and 1.31 < ratio.max() < 1.345
    # Large crops of a high ratio do not fit, so the mean is below 0.6.
    assert 0.54 < area.mean() < 0.58
    assert abs(np.log(ratio).mean()) < 0.01
    assert 0.45 < np.mean(top / np.maximum(400 - height, 1)) < 0.55


# Colours.


def _jitter(
    images: np.ndarray, run: Callable, order=0, factors=(1, 1, 1), hue=0.0
) -> np.ndarray:
    count = len(images)
    planes = run(
        colour.jitter,
        _planes(images),
        tf.constant(np.broadcast_to(order, [count]), tf.int32),
        tf.constant(np.broadcast_to(factors, [count, 3]), tf.float32),
        tf.constant(np.broadcast_to(hue, [count]), tf.float32),
    )
    return _pixels(planes)


@both_ways
@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("factor", [0.6, 1.4])
def test_blends_match_pillow(run, place, factor):
    enhance = [
        ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color
    ][place]  # fmt: skip
    images = _images(24, 9, 7, 3) // 2 + 60
    factors = np.ones(3)
    factors[place] = factor
    pixels = _jitter(images, run, order=np.arange(24), factors=factors)
    for image, result in zip(images, pixels, strict=True):
        expected = enhance(Image.fromarray(image)).enhance(factor)
        # Pillow rounds the grey, then cuts off the fraction of the blend.
        difference = result - np.asarray(expected, np.float32).reshape(-1, 3)
        assert np.abs(difference).max() < 1.5


@both_ways
def test_greyscale_matches_pillow(run):
    images = _images(2, 9, 7, 3)
    planes = run(colour.greyscale, _planes(images), tf.constant([True, False]))
    chosen, kept = _pixels(planes)
    expected = np.asarray(Image.fromarray(images[0]).convert("L")).ravel()
    for channel in range(3):
        np.testing.assert_allclose(chosen[:, channel], expected, atol=0.6)
    np.testing.assert_array_equal(kept, images[1].reshape(-1, 3))


def _turned(pixel: np.ndarray, turn: float) -> tuple[float, float, float]:
    hue, saturation, value = colorsys.rgb_to_hsv(*(pixel / 255.0))
    return colorsys.hsv_to_rgb((hue + turn) % 1.0, saturation, value)


@both_ways
@pytest.mark.parametrize("turn", [-0.5, -0.13, 0.0, 0.4])
def test_hue_matches_colorsys(run, turn):
    corners = np.array(np.meshgrid(*[[0, 7, 128, 255]] * 3), np.uint8)
    images = corners.reshape(1, 3, -1).transpose(0, 2, 1)[:, np.newaxis]
    expected = [_turned(pixel, turn) for pixel in images[0, 0]]
    pixels = _jitter(images, run, hue=turn)[0]
    np.testing.assert_allclose(pixels, np.multiply(expected, 255), atol=0.01)


def test_every_image_has_its_own_order(rng):
    images = _images(24, 4, 4, 3)
    factors = rng.uniform(0.6, 1.4, [24, 3])
    turns = rng.uniform(-0.4, 0.4, 24)
    luma = np.array([0.299, 0.587, 0.114])

    def blend(x, other, factor):
        return np.clip(factor * x + (1 - factor) * other, 0, 255)

    def oracle(x, order, factors, turn):
        operations = [
            lambda x: blend(x, 0, factors[0]),
            lambda x: blend(x, (x @ luma).mean(), factors[1]),
            lambda x: blend(x, (x @ luma)[:, np.newaxis], factors[2]),
            lambda x: np.array([_turned(pixel, turn) for pixel in x]) * 255,
        ]
        for index in order:
            x = operations[index](x)
        return x

    expected = [
        oracle(image.reshape(-1, 3).astype(float), *arguments)
        for image, *arguments in zip(
            images, colour.ORDERS, factors, turns, strict=True
        )
    ]
    pixels = _jitter(images, _eagerly, np.arange(24), factors, turns)
    np.testing.assert_allclose(pixels, expected, atol=0.01)


# The layer.


@pytest.mark.parametrize(
    "run, dtype",
    [
        (_eagerly, tf.uint8),
        (_eagerly, tf.float16),
        (_in_tf_data, tf.uint8),
        (_in_tf_data, tf.float32),
        (_compiled, tf.uint8),
    ],
)
def test_views_of_the_paper(run, dtype):
    images = tf.cast(_images(6, 20, 24, 3), dtype)
    view = _view(ViewConfig(16))
    views = run(view, images, draw(1, 0, 6))
    assert views.dtype == tf.float32 and views.shape == (6, 16, 16, 3)
    assert views.numpy().min() >= 0 and views.numpy().max() <= 255
    expected = view(tf.cast(images, tf.float32), draw(1, 0, 6))
    np.testing.assert_allclose(views, expected, atol=0.01)


def test_nothing_happens_where_nothing_is_asked_for():
    images = _images(200, 8, 8, 3)
    view = _view(ViewConfig(8, **NEUTRAL))
    views = view(tf.constant(images), draw(0, 0, 200))
    np.testing.assert_allclose(views, images, atol=0.01)


def test_flip():
    images = tf.constant(_images(3, 8, 8, 3))
    view = _view(ViewConfig(8, **NEUTRAL, flip=1.0))
    mirrored = images[:, :, ::-1]
    np.testing.assert_allclose(view(images, draw(0, 0, 3)), mirrored, atol=0.01)


def test_share_of_greyscale_views():
    images = tf.constant(_images(2_000, 4, 4, 3))
    views = _view(ViewConfig(4))(images, draw(0, 0, 2_000))
    spread = np.ptp(views.numpy(), axis=-1).max(axis=(1, 2))
    assert abs(np.mean(spread < 0.01) - 0.2) < 0.03


def test_a_view_depends_on_its_own_draws_alone():
    images, draws = tf.constant(_images(9, 12, 12, 3)), draw(0, 3, 9)
    view = _view(ViewConfig(12))
    views = view(images, draws)
    np.testing.assert_array_equal(views, view(images, draws))
    for start, end in (0, 1), (4, 9):
        part = view(images[start:end], draws[start:end])
        np.testing.assert_allclose(part, views[start:end], atol=0.01)
    one = RandomView(ViewConfig(12)).augment_one(images[2], draws[2])
    np.testing.assert_allclose(one, views[2], atol=0.01)


def test_no_loop_over_the_images_enters_a_graph():
    graph = (
        tf.function(_view(ViewConfig(8)))
        .get_concrete_function(
            tf.TensorSpec([None, 8, 8, 3], tf.uint8),
            tf.TensorSpec([None, DRAWS], tf.float32),
        )
        .graph
    )
    operations = {operation.type for operation in graph.get_operations()}
    assert not [name for name in operations if "While" in name]


def test_float32_whatever_the_policy():
    images, draws = tf.constant(_images(2, 8, 8, 3)), draw(0, 0, 2)
    expected = _view(ViewConfig(8))(images, draws)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        views = _view(ViewConfig(8))(images, draws)
    finally:
        keras.config.set_dtype_policy(policy)
    np.testing.assert_array_equal(views, expected)


def test_the_layer_has_no_state():
    layer = RandomView(ViewConfig(8))
    assert not layer.variables
    parts = tf.train.TrackableView(layer).descendants()
    assert not [part for part in parts if isinstance(part, tf.Variable)]


# The draws.


def test_draws_are_keyed_by_seed_and_epoch():
    draws = draw(3, 5, 40)
    assert draws.shape == (40, DRAWS) and draws.dtype == tf.float32
    assert draws.numpy().min() >= 0 and draws.numpy().max() < 1
    np.testing.assert_array_equal(draws, draw(3, 5, 40))
    for other in draw(5, 3, 40), draw(3, 6, 40), draw(4, 5, 40):
        assert not np.isin(other, draws).all(axis=1).any()
    symbolic = tf.data.Dataset.range(5, 6).map(lambda epoch: draw(3, epoch, 40))
    np.testing.assert_array_equal(next(iter(symbolic)), draws)


def test_draws_are_uniform_and_independent():
    draws = draw(0, 0, 5_000).numpy()
    np.testing.assert_allclose(draws.mean(axis=0), 0.5, atol=0.02)
    np.testing.assert_allclose(draws.var(axis=0), 1 / 12, atol=0.005)
    correlation = np.corrcoef(draws.T) - np.eye(DRAWS)
    assert np.abs(correlation).max() < 0.07
