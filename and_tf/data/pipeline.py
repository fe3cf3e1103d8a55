"""Makes batches of any split, for training and for evaluation.

No random state is kept: an epoch's order and every view depend only on (seed,
epoch, sample). So a resumed run sees exactly the same batches as the
uninterrupted run.

AutoGraph is turned off: no function uses Python's `if` or `for` over tensors,
and AutoGraph would take half a second to find that out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from and_tf.augmentation import Recipe
from and_tf.data import parallelism
from and_tf.data.preprocessing import centre_square
from and_tf.data.split import Split
from and_tf.data.zero_copy import captured
from and_tf.distribution.process_group import part
from and_tf.utils.errors import InputError

# Up to this side, in pixels, a whole batch of views is computed at once. Larger
# views do not fit into the cache and are faster one by one: at 224 pixels in
# half the time.
_LARGEST_VECTORISED = 96
_BATCH, _LEAST_BATCH = 512, 16  # Images in a batch of a pass, see `pass_batch`.


@tf.autograph.experimental.do_not_convert
def train_batches(
    split: Split,
    view: Recipe,
    *,
    batch_size: int,
    seed: int,
    epochs: int,
    first_epoch: int = 0,
    first_step: int = 0,
    on_device: bool = False,
    share: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Makes batches of random views of a split, epoch after epoch.

    The last batch of an epoch may be smaller; no batch spans two epochs.

    Args:
        split: A split of N images.
        view: The recipe of a view with side S.
        batch_size: The number b of images in a batch.
        seed: Random seed of the order and of the views.
        epochs: The epoch at which to stop: the last one is `epochs` - 1.
        first_epoch: The epoch to start with, counted from 0.
        first_step: The number of batches of that epoch to skip.
        on_device: True leaves the augmentation to the model. Then `images` is
            the input of the recipe's layer, `{"images": uint8 [b, H, W, C],
            "draws": float32 [b, D]}`. If the images of the split differ in
            size, they are cropped to their centre squares first.
        share: (i, n) computes only part i of n of each batch. The first parts
            may be longer by one image.

    Returns:
        Batches of (images float32 `[b, S, S, C]` with values 0..255, sample
        numbers int64 `[b]`).

    Raises:
        InputError: If `batch_size` is not in 1..N, or if a batch has fewer
            images than parts.
    """
    steps = steps_per_epoch(split, batch_size)
    check_parts(split, batch_size, share[1])
    epoch_numbers = tf.data.Dataset.range(first_epoch, epochs)
    small = on_device or view.image_size <= _LARGEST_VECTORISED
    make = _gathered if split.held and small else _streamed

    def begins(epoch: tf.Tensor) -> tf.Tensor:
        """Returns the position in an epoch's order at which to start."""
        skipped = tf.constant(first_step * batch_size, tf.int64)
        return tf.where(epoch == first_epoch, skipped, 0)

    dataset = make(
        split, view, batch_size, seed, epoch_numbers, begins, on_device, share
    )
    num_batches = max(0, steps * (epochs - first_epoch) - first_step)
    return finish(
        dataset.apply(tf.data.experimental.assert_cardinality(num_batches))
    )


def steps_per_epoch(split: Split, batch_size: int) -> int:
    """Returns the number of batches in an epoch, a smaller last one included.

    Args:
        split: A split of N images.
        batch_size: The number of images in a batch.

    Raises:
        InputError: If `batch_size` is not in 1..N.
    """
    _check(batch_size)
    if batch_size > split.size:
        raise InputError(
            f"Expected a batch size of at most {split.size}, as {split.name} "
            f"has no more images. Received: {batch_size}."
        )
    return -(-split.size // batch_size)


def check_parts(split: Split, batch_size: int, parts: int) -> None:
    """Checks that each part of each batch has an image.

    Args:
        split: A split of N images.
        batch_size: The number of images in a batch.
        parts: The number of devices that share a batch.

    Raises:
        InputError: If a part of the last batch has no image, since batch
            normalisation has no statistics of an empty batch.
    """
    last = split.size % batch_size or batch_size
    if last < parts:
        raise InputError(
            f"Expected batches with an image for each of {parts} devices. "
            f"Received: {split.size} images in batches of {batch_size}, the "
            f"last of {last}. Choose another --batch_size."
        )


def pass_batch(image_size: int) -> int:
    """Returns the batch size of a pass that does not train.

    Args:
        image_size: The side S of the images, in pixels.

    Returns:
        512 up to 96 pixels a side, and of larger images as many as have no
        more pixels: the maps of 512 images of 224 pixels took 8 GiB in an
        EfficientNet-Lite0 on a CPU.
    """
    return max(_LEAST_BATCH, min(_BATCH, _BATCH * 96**2 // image_size**2))


@tf.autograph.experimental.do_not_convert
def clean_batches(
    split: Split,
    image_size: int,
    batch_size: int,
    start: int = 0,
    stop: int | None = None,
) -> tf.data.Dataset:
    """Makes batches of the clean view of every image, in order of number.

    Args:
        split: A split of N images.
        image_size: The side S of the views, in pixels.
        batch_size: The number b of images in a batch; it may exceed N.
        start: The sample number of the first image.
        stop: The sample number after that of the last image; None is N.

    Returns:
        Batches of (images uint8 `[b, S, S, C]`, sample numbers int64 `[b]`).

    Raises:
        InputError: If `batch_size` is below 1.
    """
    _check(batch_size)
    stop = split.size if stop is None else stop

    def clean(images: tf.Tensor, sample_ids: tf.Tensor) -> tuple:
        return centre_square(images, image_size), sample_ids

    if not split.held:
        dataset = split.stream(None, start).take(stop - start)
        dataset = dataset.map(clean, num_parallel_calls=tf.data.AUTOTUNE)
        # Keras warns if a data set of unknown length ends.
        count = tf.data.experimental.assert_cardinality(
            -(-(stop - start) // batch_size)
        )
        return finish(dataset.batch(batch_size).apply(count))

    images = captured(split.images)
    sample_ids = captured(np.arange(split.size))

    def batch(first: tf.Tensor) -> tuple:
        end = tf.minimum(first + batch_size, stop)
        return clean(images[first:end], sample_ids[first:end])

    starts = tf.data.Dataset.range(start, stop, batch_size)
    return finish(starts.map(batch, num_parallel_calls=tf.data.AUTOTUNE))


def _gathered(
    split: Split,
    view: Recipe,
    batch_size: int,
    seed: int,
    epochs: tf.data.Dataset,
    begins: Callable[[tf.Tensor], tf.Tensor],
    on_device: bool,
    share: tuple[int, int],
) -> tf.data.Dataset:
    """Makes batches of a split in memory, each gathered and augmented whole."""
    assert split.image_shape is not None  # As the split is in memory.
    augment: Any = None
    if not on_device:
        # This is traced first, while the images may still be decoded.
        augment = tf.function(view.layer(), autograph=False)
        augment = augment.get_concrete_function(
            {
                "images": tf.TensorSpec(
                    (None, *split.image_shape, split.channels), tf.uint8
                ),
                "draws": tf.TensorSpec((None, view.draws), tf.float32),
            }
        )
    images = captured(split.images)

    def numbered(epoch: tf.Tensor) -> tf.data.Dataset:
        order = order_of_epoch(seed, epoch, split.size)
        draws = view.draw(seed, epoch, split.size)

        def batch(start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            sample_ids = order[start : start + batch_size]
            first, end = part(tf.size(sample_ids), *share)
            sample_ids = sample_ids[first:end]
            return tf.gather(draws, sample_ids), sample_ids

        starts = tf.data.Dataset.range(begins(epoch), split.size, batch_size)
        return starts.map(batch)

    def augmented(draws: tf.Tensor, sample_ids: tf.Tensor) -> tuple:
        inputs = {"images": tf.gather(images, sample_ids), "draws": draws}
        return inputs if on_device else augment(inputs), sample_ids

    # The costly map is outside of flat_map, so that its threads do not run
    # empty between two epochs.
    return epochs.flat_map(numbered).map(
        augmented, num_parallel_calls=tf.data.AUTOTUNE
    )


def _streamed(
    split: Split,
    view: Recipe,
    batch_size: int,
    seed: int,
    epochs: tf.data.Dataset,
    begins: Callable[[tf.Tensor], tf.Tensor],
    on_device: bool,
    share: tuple[int, int],
) -> tf.data.Dataset:
    """Makes batches of images that are augmented one by one."""
    augment = view.layer()
    start, stop = part(batch_size, *share)

    def shared(place: tf.Tensor) -> tf.Tensor:
        """Returns whether a position in the order is in this part."""
        within = place % batch_size
        left = split.size - (place - within)
        first, end = part(tf.minimum(left, batch_size), *share)
        return (first <= within) & (within < end)

    keep = shared if share[1] > 1 else None

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        all_draws = view.draw(seed, epoch, split.size)

        def augmented(image: tf.Tensor, number: tf.Tensor) -> tuple:
            draws = tf.gather(all_draws, number)
            if not on_device:
                return augment.augment_one(image, draws), number
            if split.image_shape is None:
                # All images of a batch need the same size. It is a bit larger
                # than the view, which leaves a choice to the random crop.
                image = centre_square(image, round(view.image_size * 8 / 7))
            return {"images": image, "draws": draws}, number

        dataset = split.stream(order_seed(seed, epoch), begins(epoch), keep)
        return dataset.map(
            augmented, num_parallel_calls=tf.data.AUTOTUNE
        ).batch(stop - start)

    return epochs.flat_map(one_epoch)


def order_of_epoch(seed: int, epoch: tf.Tensor, size: int) -> tf.Tensor:
    """Draws the order of an epoch: numbers 0..size-1, int64 `[size]`."""
    return tf.random.experimental.stateless_shuffle(
        tf.range(size, dtype=tf.int64), order_seed(seed, epoch)
    )


def order_seed(seed: int, epoch: tf.Tensor) -> tf.Tensor:
    """Returns the seed of an epoch's order, int64 `[2]`.

    It differs from the seed of the epoch's views.
    """
    key = tf.stack([tf.cast(seed, tf.int64), epoch])
    return tf.random.experimental.stateless_fold_in(key, 1)


def finish(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Computes batches of a data set in parallel and in advance."""
    # Batches are computed in parallel, so further threads within an operation
    # would only compete with them.
    options = tf.data.Options()
    options.threading.max_intra_op_parallelism = 1
    dataset = dataset.prefetch(tf.data.AUTOTUNE).with_options(options)
    return parallelism.fixed(dataset)


def _check(batch_size: int) -> None:
    if batch_size < 1:
        raise InputError(
            f"Expected a batch size of at least 1. Received: {batch_size}."
        )
