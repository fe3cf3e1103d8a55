"""Images a second through the paper's augmentation, beside keras-cv's own.

    python -m benchmarks.augmentation --image_size=32

All rows run in `tf.data` with a parallel map, on random images. keras-cv's
layers do what their names say, which is not quite the paper's recipe. On a
machine that others use too, the best of the repeats is the figure to trust,
and more repeats give a better one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from and_tf import cli

cli.import_tensorflow()

import keras_cv  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from absl import flags  # noqa: E402

from and_tf.augmentation import DRAWS, RandomView, ViewConfig  # noqa: E402
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
    for name, batches in (ours(images) | keras_cvs(images)).items():
        print(f"{name:<44}{best_speed(batches):>9,.0f}", flush=True)


def ours(images: np.ndarray) -> dict[str, tf.data.Dataset]:
    """The training pipeline, and its layer image by image."""
    config = ViewConfig(_IMAGE_SIZE.value)
    layer = RandomView(config)
    split = in_memory("random", images, labels=None)

    def one(image: tf.Tensor) -> tf.Tensor:
        draws = tf.random.uniform([DRAWS])
        return layer.augment_one(image, draws)

    return {
        "train_batches, the whole recipe": train_batches(
            split, config, batch_size=_BATCH_SIZE.value, seed=0, epochs=1
        ),
        "RandomView, image by image": split.stream(None)
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
