"""Compare augmentation: the paper's views, and strong ones."""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmarks.harness.comparison import (
    Case,
    Comparison,
    Side,
    Target,
    Work,
    rate,
)
from benchmarks.speed import sides
from benchmarks.speed.pillow_views import COLUMNS, SIDE, pillow_views

if TYPE_CHECKING:
    import tensorflow as tf

BATCH = 128


def draw(count: int, size: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Draw smooth images uint8 [count, S, S, 3], uniforms [count, 29]."""
    coarse = sides.images(count, 4)
    images = [
        np.asarray(Image.fromarray(one).resize((size, size), Image.BICUBIC))
        for one in coarse
    ]
    uniforms = np.random.default_rng(1).random((count, sum(COLUMNS)))
    return np.stack(images), uniforms.astype(np.float32)


def ours(
    threads: int,
    count: int,
    size: int = SIDE,
    batch: int = BATCH,
    strong: bool = False,
) -> Work:
    """Prepare the training pipeline; its layer where views are compared."""
    sides.start_tensorflow(threads)
    from and_tf.augmentation import StrongConfig, ViewConfig
    from and_tf.data.pipeline import train_batches
    from and_tf.data.split import in_memory

    images, uniforms = draw(count, size)
    recipe = StrongConfig(size) if strong else ViewConfig(size)
    batches = train_batches(
        in_memory("random", images, labels=None),
        recipe,
        batch_size=min(batch, count),
        seed=0,
        epochs=1,
    )

    def answer() -> dict[str, np.ndarray]:
        _pass_over(batches)
        if strong:
            return {}
        views = recipe.layer()({"images": images, "draws": uniforms})
        return {"views": views.numpy()}

    return Work(rate(functools.partial(_pass_over, batches), count), answer)


def keras_cv(
    threads: int,
    count: int,
    size: int = SIDE,
    batch: int = BATCH,
    strong: bool = False,
) -> Work:
    """Prepare keras-cv's own layers in a row."""
    sides.start_tensorflow(threads)
    import tensorflow as tf

    row = _layers(size, strong)

    def augment(images: tf.Tensor) -> tf.Tensor:
        for layer in row:
            images = layer(images)
        return images

    with tf.device("CPU:0"):
        images = tf.data.Dataset.from_tensor_slices(draw(count, size)[0])
    batches = (
        images.batch(batch)
        .map(augment, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )
    _pass_over(batches)
    return Work(rate(functools.partial(_pass_over, batches), count))


def _layers(size: int, strong: bool) -> list[Callable]:
    from keras_cv import layers

    def crop(least: float) -> Callable:
        ratio = (3 / 4, 4 / 3)
        return layers.RandomCropAndResize((size, size), (least, 1.0), ratio)

    if strong:
        return [
            layers.RandomFlip("horizontal"),
            crop(0.8),
            layers.RandAugment((0, 255), augmentations_per_image=4),
            layers.RandomCutout(0.5, 0.5),
        ]
    return [
        crop(0.2),
        layers.RandomColorJitter((0, 255), 0.4, 0.4, 0.4, 0.4),
        layers.RandomApply(layers.Grayscale(3), rate=0.2),
    ]


def _pass_over(batches: Iterable) -> None:
    for _ in batches:
        pass


def pillow(threads: int, count: int) -> Work:
    """Prepare Pillow, one image at a time, in as many processes as threads."""
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


OURS = Side("and_tf, train_batches", ours)
THEIRS = Side(
    "keras-cv's layers",
    keras_cv,
    alike=False,
    note="what their names say, which is not quite the recipe",
)
PAPER = Comparison(
    name="augmentation",
    title="Augmentation",
    does=(
        "The paper's random resized crop, colour jitter in random order and "
        "greyscale of CIFAR's 32×32 images, in batches of 128. Pillow rounds "
        "to whole levels after each operation, and turns hues in 256 steps."
    ),
    unit="images/s",
    sides=(
        OURS,
        Side("Pillow, one image at a time", pillow),
        THEIRS,
    ),
    cases=[Case("12,800 images", {"count": 12_800}, Target(6_000))],
    quick=[Case("256 images", {"count": 256}, Target(6_000))],
    tolerance=0.05,
)
STRONG = Comparison(
    name="strong_views",
    title="Strong augmentation",
    does=(
        "Flip, four operations of RandAugment and a cut-out of CIFAR's images, "
        "in batches of 128. keras-cv crops, too."
    ),
    unit="images/s",
    sides=(OURS, THEIRS),
    cases=[Case("6,400 images", {"count": 6_400, "strong": True})],
    quick=[Case("256 images", {"count": 256, "strong": True})],
)
