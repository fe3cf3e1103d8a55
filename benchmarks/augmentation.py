"""Images a second through the paper's augmentations, beside keras-cv's own.

    python -m benchmarks.augmentation --image_size=32

All rows run in `tf.data` with a parallel map, on random images. keras-cv's
layers do what their names say, which is not quite the papers' recipes. On a
machine that others use too, the best of the repeats is the figure to trust,
and more repeats give a better one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from and_tf.utils import cli

cli.import_tensorflow()

import keras_cv  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from absl import flags  # noqa: E402

from and_tf.augmentation import (  # noqa: E402
    Recipe,
    StrongConfig,
    ViewConfig,
)
from and_tf.data.pipeline import train_batches  # noqa: E402
from and_tf.data.split import in_memory  # noqa: E402

_IMAGE_SIZE = flags.DEFINE_integer("image_size", 32, "Side of a view.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 128, "Images in a batch.")
_BATCHES = flags.DEFINE_integer("batches", 50, "Batches in a repeat.")
_REPEATS = flags.DEFINE_integer("repeats", 5, "The best of them counts.")


def main(argv: Sequence[str]) -> None:
    del argv
    tf.get_logger().setLevel("ERROR")  # keras-cv's loops give pages of it.
    shape = (_BATCH_SIZE.value * _BATCHES.value, *[_IMAGE_SIZE.value] * 2, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    print(
        f"{os.cpu_count()} cores, {_IMAGE_SIZE.value} pixels, batches of "
        f"{_BATCH_SIZE.value}; best of {_REPEATS.value}, images/s"
    )
    size = _IMAGE_SIZE.value
    compare("RandomView", ours(images, ViewConfig(size)), keras_cvs(images))
    compare(
        "StrongView", ours(images, StrongConfig(size)), keras_cvs_strong(images)
    )


def compare(
    layer: str,
    ours: dict[str, tf.data.Dataset],
    theirs: dict[str, tf.data.Dataset],
) -> None:
    """Prints a row each, and how our first does beside their last."""
    print(f"\n{layer}")
    speeds = []
    for name, batches in (ours | theirs).items():
        speeds.append(best_speed(batches))
        print(f"{name:<44}{speeds[-1]:>9,.0f}", flush=True)
    print(f"{'the first by the last':<44}{speeds[0] / speeds[-1]:>9.1f}")


def ours(images: np.ndarray, recipe: Recipe) -> dict[str, tf.data.Dataset]:
    """The training pipeline, and its layer image by image."""
    layer = recipe.layer()
    split = in_memory("random", images, labels=None)

    def one(image: tf.Tensor) -> tf.Tensor:
        draws = tf.random.uniform([recipe.draws])
        return layer.augment_one(image, draws)

    return {
        "train_batches, the whole recipe": train_batches(
            split, recipe, batch_size=_BATCH_SIZE.value, seed=0, epochs=1
        ),
        "the layer, image by image": split.stream(None)
        .map(lambda image, _: one(image), num_parallel_calls=tf.data.AUTOTUNE)
        .batch(_BATCH_SIZE.value)
        .prefetch(tf.data.AUTOTUNE),
    }


def keras_cvs(images: np.ndarray) -> dict[str, tf.data.Dataset]:
    """keras-cv's layers, one by one and in a row."""
    layers = keras_cv.layers
    size = _IMAGE_SIZE.value
    crop = layers.RandomCropAndResize((size, size), (0.2, 1.0), (3 / 4, 4 / 3))
    jitter = layers.RandomColorJitter((0, 255), 0.4, 0.4, 0.4, 0.4)
    grey = layers.RandomApply(layers.Grayscale(3), rate=0.2)
    rows = {
        "keras-cv RandomCropAndResize": crop,
        "keras-cv RandomColorJitter": jitter,
        "keras-cv RandomApply(Grayscale)": grey,
        "keras-cv, the three in a row": lambda x: grey(jitter(crop(x))),
    }
    return {name: _mapped(images, layer) for name, layer in rows.items()}


def keras_cvs_strong(images: np.ndarray) -> dict[str, tf.data.Dataset]:
    """keras-cv's RandAugment, alone and with what stands around it."""
    layers = keras_cv.layers
    size = _IMAGE_SIZE.value
    flip = layers.RandomFlip("horizontal")
    crop = layers.RandomCropAndResize((size, size), (0.8, 1.0), (3 / 4, 4 / 3))
    four = layers.RandAugment((0, 255), augmentations_per_image=4)
    cutout = layers.RandomCutout(0.5, 0.5)
    rows = {
        "keras-cv RandAugment, four operations": four,
        "keras-cv flip, crop, RandAugment, cutout": lambda x: cutout(
            four(crop(flip(x)))
        ),
    }
    return {name: _mapped(images, layer) for name, layer in rows.items()}


def _mapped(images: np.ndarray, function: Callable) -> tf.data.Dataset:
    with tf.device("CPU:0"):
        batches = tf.data.Dataset.from_tensor_slices(images)
    return (
        batches.batch(_BATCH_SIZE.value)
        .map(function, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )


def best_speed(batches: tf.data.Dataset) -> float:
    """Images a second in the best of some passes over `batches`."""
    count = _BATCH_SIZE.value * _BATCHES.value
    seconds = []
    for _ in range(_REPEATS.value):
        start = time.perf_counter()
        for _ in batches:
            pass
        seconds.append(time.perf_counter() - start)
    return count / min(seconds)


if __name__ == "__main__":
    cli.run(main)
