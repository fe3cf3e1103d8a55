"""Tests of views of images that are not RGB."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from and_tf.augmentation import StrongConfig, ViewConfig, colour, strong


def brightness(image, factor):
    return np.clip(factor * image, 0, 255)


def contrast(image, factor):
    means = image.mean(axis=-1, keepdims=True)
    return np.clip(factor * image + (1 - factor) * means, 0, 255)


def test_brightness_and_contrast_of_bands(rng):
    planes = rng.uniform(0, 255, (24, 5, 30)).astype(np.float32)
    factors = rng.uniform(0.2, 1.8, (24, 2)).astype(np.float32)
    found = colour.jitter_bands(planes, tf.range(24), factors).numpy()
    for image, order, (bright, sharp), own in zip(
        planes, colour.ORDERS, factors, found, strict=True
    ):
        if order.index(0) < order.index(1):
            expected = contrast(brightness(image, bright), sharp)
        else:
            expected = brightness(contrast(image, sharp), bright)
        np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("channels", [1, 4, 5])
def test_views_keep_their_channels(channels, rng):
    images = rng.integers(0, 256, (3, 12, 14, channels), np.uint8)
    recipe = ViewConfig(8)
    inputs = {"images": images, "draws": recipe.draw(1, 0, 3)}
    views = recipe.layer()(inputs).numpy()
    assert views.shape == (3, 8, 8, channels)
    alone = recipe.layer().augment_one(images[1], inputs["draws"][1])
    np.testing.assert_allclose(views[1], alone, atol=0.02)
    if channels == 4:  # Colours as of RGB, and an opacity that is only cut.
        inputs["images"] = images[..., :3]
        coloured = recipe.layer()(inputs).numpy()
        np.testing.assert_allclose(views[..., :3], coloured, atol=1e-3)
        still = ViewConfig(
            8, brightness=0, contrast=0, saturation=0, hue=0, greyscale=0
        )
        inputs["images"] = np.repeat(images[..., 3:], 3, axis=3)
        cut = still.layer()(inputs).numpy()
        np.testing.assert_allclose(views[..., 3:], cut[..., :1], atol=0.01)


ON_GREY = {
    "brightness": lambda image: ImageEnhance.Brightness(image).enhance(0.3),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.3),
    "sharpness": lambda image: ImageEnhance.Sharpness(image).enhance(0.3),
    "colour": lambda image: image,
    "equalise": ImageOps.equalize,
    "solarise": lambda image: ImageOps.solarize(image, 0.3),
    "translate_x": lambda image: image.transform(
        image.size, Image.Transform.AFFINE, (1, 0, 0.3 * 16, 0, 1, 0)
    ),
}


@pytest.mark.parametrize("name", ON_GREY)
def test_operations_on_grey(name, rng):
    image = rng.integers(0, 256, (16, 16, 1), np.uint8)
    expected = np.asarray(ON_GREY[name](Image.fromarray(image[..., 0])))
    operation = [strong.OPERATIONS.index(name)]
    found = strong.apply(
        tf.constant(image[None]), tf.constant(operation), tf.constant([0.3])
    )[0, ..., 0]
    difference = found.numpy().astype(int) - expected
    assert np.abs(difference).max() <= 1


def test_strong_views_of_other_channels(rng):
    for channels in (1, 4, 5):
        images = rng.integers(0, 256, (40, 8, 8, channels), np.uint8)
        images[..., -1] = 7
        recipe = StrongConfig(
            8, rotate=0, shear=0, translate=0, cutout=(0, 0),
            cutout_colour=(0.0,) * channels,
        )  # fmt: skip
        draws = recipe.draw(0, 0, 40)
        views = recipe.layer()({"images": images, "draws": draws}).numpy()
        assert views.shape == images.shape
        if channels == 4:  # An opacity keeps its levels.
            assert (views[..., 3] == 7).all()
