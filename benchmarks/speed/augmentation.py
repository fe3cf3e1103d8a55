"""The paper's augmentation: crop, colour jitter, greyscale."""

from __future__ import annotations

import functools
import itertools
import math
import multiprocessing

import numpy as np
from PIL import Image, ImageEnhance

from benchmarks.speed import inputs, libraries
from benchmarks.speed.comparison import (
    Case,
    Comparison,
    Side,
    Target,
    Work,
    rate,
)

# As and_tf.augmentation.view lays a view's uniforms out: areas, ratios,
# positions, flip, order, factors, hue, greyscale.
COLUMNS = (10, 10, 2, 1, 1, 3, 1, 1)
ORDERS = tuple(itertools.permutations(range(4)))
SIDE = 32
BATCH = 128


def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Smooth images uint8 [count, 32, 32, 3], uniforms [count, 29]."""
    coarse = inputs.images(count, 4)
    images = [
        np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.BICUBIC))
        for one in coarse
    ]
    uniforms = np.random.default_rng(1).random((count, sum(COLUMNS)))
    return np.stack(images), uniforms.astype(np.float32)


def ours(threads: int, count: int) -> Work:
    """The training pipeline; its layer where views are compared."""
    libraries.tensorflow(threads)
    from and_tf.augmentation import RandomView, ViewConfig
    from and_tf.data.pipeline import train_batches
    from and_tf.data.split import in_memory

    images, uniforms = draw(count)
    config = ViewConfig(SIDE)
    batches = train_batches(
        in_memory("random", images, labels=None),
        config,
        batch_size=min(BATCH, count),
        seed=0,
        epochs=1,
    )

    def answer() -> dict[str, np.ndarray]:
        inputs = {"images": images, "draws": uniforms}
        _pass_over(batches)
        return {"views": RandomView(config)(inputs).numpy()}

    return Work(rate(functools.partial(_pass_over, batches), count), answer)


def pillow(threads: int, count: int) -> Work:
    """One image at a time, in as many processes as others have threads."""
    images, uniforms = draw(count)
    pool = multiprocessing.Pool(threads)
    parts = [
        (images[start : start + BATCH], uniforms[start : start + BATCH])
        for start in range(0, count, BATCH)
    ]

    def views() -> np.ndarray:
        return np.concatenate(pool.starmap(pillow_views, parts, chunksize=1))

    return Work(
        rate(views, count), lambda: {"views": views().astype(np.float32)}
    )


def keras_cv(threads: int, count: int) -> Work:
    """keras-cv's own layers in a row."""
    libraries.tensorflow(threads)
    from benchmarks import augmentation

    *_, batches = augmentation.keras_cvs(draw(count)[0]).values()
    _pass_over(batches)
    return Work(rate(functools.partial(_pass_over, batches), count))


def _pass_over(batches) -> None:
    for _ in batches:
        pass


def pillow_views(images: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Views of some images, uint8 [b, S, S, 3]."""
    return np.stack(
        [
            np.asarray(pillow_view(Image.fromarray(image), draws))
            for image, draws in zip(images, uniforms, strict=True)
        ]
    )


def pillow_view(image: Image.Image, draws: np.ndarray) -> Image.Image:
    """The view of one image that `and_tf.augmentation` gives, by Pillow.

    Args:
        image: RGB.
        draws: float32 [29].
    """
    areas, ratios, positions, _, order, factors, hue, grey = np.split(
        draws, np.cumsum(COLUMNS)[:-1]
    )
    box = crop_box(areas, ratios, positions, *image.size)
    image = image.crop(box).resize((SIDE, SIDE), Image.BILINEAR)
    brightness, contrast, saturation = 0.6 + 0.8 * factors
    operations = (
        lambda x: ImageEnhance.Brightness(x).enhance(brightness),
        lambda x: ImageEnhance.Contrast(x).enhance(contrast),
        lambda x: ImageEnhance.Color(x).enhance(saturation),
        lambda x: turn_hue(x, 0.4 * (2 * hue[0] - 1)),
    )
    for number in ORDERS[int(order[0] * len(ORDERS))]:
        image = operations[number](image)
    return image.convert("L").convert("RGB") if grey[0] < 0.2 else image


def crop_box(
    areas: np.ndarray,
    ratios: np.ndarray,
    positions: np.ndarray,
    width: int,
    height: int,
) -> tuple[int, int, int, int]:
    """The first try that fits, as torchvision's RandomResizedCrop has it.

    Returns:
        Left, top, right, bottom. Where no try fits, the whole image, which
        is right for a square one.
    """
    low, high = math.log(3 / 4), math.log(4 / 3)
    for area, ratio in zip(areas, ratios, strict=True):
        pixels = (0.2 + 0.8 * area) * width * height
        aspect = math.exp(low + ratio * (high - low))
        w, h = (
            round(math.sqrt(pixels * aspect)),
            round(math.sqrt(pixels / aspect)),
        )
        if 0 < w <= width and 0 < h <= height:
            top = int(positions[0] * (height - h + 1))
            left = int(positions[1] * (width - w + 1))
            return left, top, left + w, top + h
    return 0, 0, width, height


def turn_hue(image: Image.Image, turns: float) -> Image.Image:
    """Moves the hue in HSV, as torchvision does with Pillow."""
    hue, saturation, value = image.convert("HSV").split()
    moved = np.asarray(hue) + np.uint8(round(turns * 255) % 256)
    channels = Image.fromarray(moved), saturation, value
    return Image.merge("HSV", channels).convert("RGB")


COMPARISON = Comparison(
    name="augmentation",
    title="Augmentation",
    does=(
        "The paper's random resized crop, colour jitter in random order and "
        "greyscale of CIFAR's 32×32 images, in batches of 128. Pillow rounds "
        "to whole levels after each operation, and turns hues in 256 steps."
    ),
    unit="images/s",
    sides=(
        Side("and_tf, train_batches", ours),
        Side("Pillow, one image at a time", pillow),
        Side(
            "keras-cv's layers",
            keras_cv,
            alike=False,
            note="what their names say, which is not quite the recipe",
        ),
    ),
    cases=[Case("12,800 images", {"count": 12_800}, Target(6_000))],
    quick=[Case("256 images", {"count": 256}, Target(6_000))],
    tolerance=0.05,
)
