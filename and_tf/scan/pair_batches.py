"""Makes batches of two views: of images and their neighbours, or of one image.

As in `data.pipeline`, nothing keeps a random state: order, views and the
neighbour that a sample is paired with follow from (seed, epoch, sample).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from and_tf.augmentation import Recipe, StrongConfig, ViewConfig
from and_tf.data.pipeline import finish, order_seed
from and_tf.data.split import Split
from and_tf.data.zero_copy import captured
from and_tf.distribution.process_group import part
from and_tf.utils.errors import InputError

ANCHOR, NEIGHBOUR = 0, 1  # Streams of views.


class Side(NamedTuple):
    """What one image of each pair is, and how it is seen.

    Attributes:
        view: The recipe of its view.
        stream: Which of the views of a sample in an epoch.
        neighbours: int32 [N, K], of which it is one; None is the sample.
    """

    view: Recipe
    stream: int
    neighbours: np.ndarray | None = None


def pair_batches(
    split: Split, neighbours: np.ndarray, view: Recipe, **options: Any
) -> tf.data.Dataset:
    """Views of images and of one neighbour each, epoch after epoch.

    Args:
        split: N images in memory.
        neighbours: int32 [N, K], of every sample.
        view: The recipe of a view, of side S.
        **options: Of `batches_of`.

    Returns:
        Batches of two float32 [b, S, S, 3], values 0..255.
    """
    sides = Side(view, ANCHOR), Side(view, NEIGHBOUR, neighbours)
    return batches_of(split, sides, **options)


def weak_and_strong_batches(
    split: Split, weak: Recipe, strong: Recipe, **options: Any
) -> tf.data.Dataset:
    """Two views of the same images, epoch after epoch.

    Args:
        split: N images in memory.
        weak: The recipe of the first view, of side S.
        strong: That of the second.
        **options: Of `batches_of`.

    Returns:
        Batches of two float32 [b, S, S, 3], values 0..255.
    """
    sides = Side(weak, ANCHOR), Side(strong, NEIGHBOUR)
    return batches_of(split, sides, **options)


@tf.autograph.experimental.do_not_convert
def batches_of(
    split: Split,
    sides: Sequence[Side],
    *,
    batch_size: int,
    seed: int,
    epochs: int,
    first_epoch: int = 0,
    first_step: int = 0,
    share: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Views of samples, or of what goes with them, epoch after epoch.

    What is left of an epoch after its last whole batch is left out, as the
    entropy of a few images' mean says little; every epoch has another order.

    Args:
        split: N images in memory.
        sides: What each batch is a tuple of.
        batch_size: B.
        seed: The clustering's.
        epochs: Where to stop: epochs `first_epoch` to `epochs` - 1 are given.
        first_epoch: Where to begin,
        first_step: and after how many batches of that epoch.
        share: (i, n) gives part i of n of each batch.

    Returns:
        Batches of float32 [b, S, S, 3] a side, values 0..255.
    """
    images = captured(split.images)
    layers = [side.view.layer() for side in sides]
    found = [
        None if side.neighbours is None else captured(side.neighbours)
        for side in sides
    ]
    steps = steps_per_epoch(split, batch_size)

    def numbered(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(split.size, dtype=tf.int64), order_seed(seed, epoch)
        )
        shown = [
            tf.range(split.size) if of is None else choose(of, seed, epoch)
            for of in found
        ]  # [N] each
        draws = [
            side.view.draw(seed, epoch, split.size, side.stream)
            for side in sides
        ]

        def batch(step: tf.Tensor) -> tuple:
            sample_ids = order[step * batch_size : (step + 1) * batch_size]
            first, end = part(batch_size, *share)
            sample_ids = sample_ids[first:end]
            return tuple(
                (tf.gather(chosen, sample_ids), tf.gather(of_view, sample_ids))
                for chosen, of_view in zip(shown, draws, strict=True)
            )

        begin = tf.where(epoch == first_epoch, first_step, 0)
        return tf.data.Dataset.range(tf.cast(begin, tf.int64), steps).map(batch)

    def augmented(*batch: tuple[tf.Tensor, tf.Tensor]) -> tuple:
        return tuple(
            augment({"images": tf.gather(images, sample_ids), "draws": draws})
            for augment, (sample_ids, draws) in zip(layers, batch, strict=True)
        )

    # The costly map is outside, so it does not drain where epochs meet.
    batches = tf.data.Dataset.range(first_epoch, epochs).flat_map(numbered)
    count = max(0, steps * (epochs - first_epoch) - first_step)
    return finish(
        batches.map(augmented, num_parallel_calls=tf.data.AUTOTUNE).apply(
            tf.data.experimental.assert_cardinality(count)
        )
    )


def with_own(neighbours: np.ndarray) -> np.ndarray:
    """Each sample before its neighbours, int32 [N, K + 1].

    So one pair in K + 1 is of two views of one image, as in SCAN's code.

    Args:
        neighbours: int32 [N, K].
    """
    own = np.arange(len(neighbours), dtype=neighbours.dtype)
    return np.concatenate([own[:, None], neighbours], axis=1)


def choose(
    neighbours: tf.Tensor, seed: int, epoch: int | tf.Tensor
) -> tf.Tensor:
    """One of the neighbours of every sample, int32 [N].

    Args:
        neighbours: int32 [N, K].
        seed: The clustering's.
        epoch: Its number, which may be symbolic.
    """
    key = tf.stack([tf.cast(seed, tf.int64), tf.cast(epoch, tf.int64)])
    count, most = neighbours.shape
    places = tf.random.stateless_uniform(
        [count],
        # Others than those of the order and of the views.
        tf.random.experimental.stateless_fold_in(key, 0),
        maxval=most,
        dtype=tf.int32,
        alg="philox",
    )
    return tf.gather(neighbours, places, batch_dims=1)


def steps_per_epoch(split: Split, batch_size: int) -> int:
    """Whole batches in an epoch.

    Raises:
        InputError: If there is none.
    """
    if batch_size > split.size:
        raise InputError(
            f"Expected a --batch_size of at most {split.size}, as {split.name} "
            f"has no more images. Received: {batch_size}."
        )
    return split.size // batch_size


def check(
    split: Split, batch_size: int, replicas: int, flag: str = "--batch_size"
) -> None:
    """Sees to it that pairs can be had.

    Raises:
        InputError: If the images are streamed, where a neighbour would have
            to be looked for on the disk, or a batch is too small.
    """
    if not split.held:
        raise InputError(
            f"Expected the images of {split.name} in memory, so that an "
            "image's neighbours are at hand. Received a split that is "
            "streamed. Give a larger --memory_gib."
        )
    steps_per_epoch(split, batch_size)
    if batch_size < 2 * replicas:
        raise InputError(
            f"Expected a {flag} of {2 * replicas} or more, two images "
            f"for each of {replicas} devices. Received: {batch_size}."
        )


# Sides of images, in pixels, up to which the authors' code has cutouts of half
# a side, else of a third; and takes strong views of whole images, else of a
# window of 224 in 256 pixels.
HALF_CUT, UNCROPPED = 64, 96
WINDOW = (224 / 256) ** 2  # Of the area.


def recipe(
    name: str,
    trained_on: ViewConfig,
    image_size: int,
    mean: Sequence[float],
) -> Recipe:
    """The recipe of --augmentation or --label_view.

    Args:
        name: One of `config.AUGMENTATIONS` or of `config.LABEL_VIEWS`.
        trained_on: How the encoder's run augmented, which are weak views.
            Strong ones are of their size, clean ones whole images.
        image_size: S, of clean images, what the encoder is evaluated on.
        mean: Of each channel, in [0, 1], what the encoder subtracts: what a
            strong view erases is nothing to it.
    """
    if name == "weak":
        return trained_on
    if name == "clean":
        return ViewConfig(
            image_size,
            crop_area=(1.0, 1.0),
            crop_ratio=(1.0, 1.0),
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
            hue=0.0,
            greyscale=0.0,
        )
    # A view that is smaller than an image shows less of it at the same scale:
    # shrunk, it would show things smaller than the encoder has ever seen them.
    shown = 1.0 if image_size <= UNCROPPED else WINDOW
    shown = min(shown, (trained_on.image_size / image_size) ** 2)
    return StrongConfig(
        trained_on.image_size,
        crop_area=(shown, shown),
        cutout=(0.0, 1 / 2 if image_size <= HALF_CUT else 1 / 3),
        cutout_colour=tuple(255.0 * value for value in mean),
    )
