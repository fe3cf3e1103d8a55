"""Batches for training and for evaluation, of any split.

Nothing here keeps a random state: an epoch's order and every view follow
from (seed, epoch, sample), so a run that is resumed at an epoch sees exactly
what the uninterrupted run saw from there on.

Functions over tensors are traced as they stand: none has Python's `if` or
`for` over tensors, and AutoGraph would take half a second to find that out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from and_tf.augmentation import Recipe
from and_tf.data import parallelism
from and_tf.data.preprocessing import centre_square
from and_tf.data.split import Split
from and_tf.data.zero_copy import captured
from and_tf.distribution.process_group import part
from and_tf.utils.errors import InputError

# Up to this side a whole batch of views is computed at once. Larger ones fall
# out of the cache and are faster one by one: at 224 pixels by half the time.
_LARGEST_VECTORISED = 96


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
    """Gives random views of a split, epoch after epoch.

    The last batch of an epoch may be smaller; no batch spans two epochs.

    Args:
        split: N images.
        view: The recipe of a view, of side S. That of several views of the
            same images is `Views`; `images` is then a tuple of them.
        batch_size: b, the number of images in a batch.
        seed: Random seed of the order and of the views.
        epochs: Where to stop: epochs `first_epoch` to `epochs` - 1 are given.
        first_epoch: The epoch to start with.
        first_step: Batches of that epoch to skip.
        on_device: Leaves the augmentation to the model: images are then what
            the recipe's layer is called with, `{"images": uint8 [b, H, W, 3],
            "draws": float32 [b, D]}`. Images that differ in size become
            their centre squares first.
        share: (i, n) gives part i of n of each batch, without computing the
            others; the first parts may be longer by one image.

    Returns:
        Batches of (images float32 `[b, S, S, 3]` with values 0..255, numbers
        int64 `[b]`).

    Raises:
        InputError: If `batch_size` is not in 1..N, or a batch has not an
            image for each of the parts.
    """
    steps = steps_per_epoch(split, batch_size)
    check_parts(split, batch_size, share[1])
    epoch_numbers = tf.data.Dataset.range(first_epoch, epochs)
    small = on_device or view.image_size <= _LARGEST_VECTORISED
    make = _gathered if split.held and small else _streamed

    def begins(epoch: tf.Tensor) -> tf.Tensor:
        """The place in an epoch's order at which it is taken up."""
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
    """How many batches an epoch has, the last one maybe smaller.

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
    """Sees to it that each part of each batch has an image.

    Raises:
        InputError: If one has none: batch normalisation has no statistics of
            nothing.
    """
    last = split.size % batch_size or batch_size
    if last < parts:
        raise InputError(
            f"Expected batches with an image for each of {parts} devices. "
            f"Received: {split.size} images in batches of {batch_size}, the "
            f"last of {last}. Choose another --batch_size."
        )


@tf.autograph.experimental.do_not_convert
def clean_batches(
    split: Split,
    image_size: int,
    batch_size: int,
    start: int = 0,
    stop: int | None = None,
) -> tf.data.Dataset:
    """The clean view of every image, once, in order of number.

    Args:
        split: N images.
        image_size: S.
        batch_size: b; it may exceed N.
        start: The first image's number,
        stop: and that after the last one's; None is N.

    Returns:
        Batches of (images uint8 `[b, S, S, 3]`, numbers int64 `[b]`).

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
        # Keras warns of a set that ends and did not say where it would.
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
    """Batches of a split in memory, each gathered and augmented at once."""
    augment = None
    if not on_device:
        # Traced first, as the images may still be on their way.
        augment = tf.function(view.layer(), autograph=False)
        augment = augment.get_concrete_function(
            {
                "images": tf.TensorSpec(
                    (None, *split.image_shape, 3), tf.uint8
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

    # The costly map is outside, so it does not drain where epochs meet.
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
    """Batches of images that are augmented one by one."""
    augment = view.layer()
    start, stop = part(batch_size, *share)

    def shared(place: tf.Tensor) -> tf.Tensor:
        """Whether a place in the order is in this part of its batch."""
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
                # A batch needs one size; this one leaves the crop its choice.
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
    """int64 `[2]`, another seed than that of the epoch's draws."""
    key = tf.stack([tf.cast(seed, tf.int64), epoch])
    return tf.random.experimental.stateless_fold_in(key, 1)


def finish(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Has batches computed beside each other, and before they are asked for."""
    # Batches are computed beside each other; threads within an operation
    # only get in their way.
    options = tf.data.Options()
    options.threading.max_intra_op_parallelism = 1
    dataset = dataset.prefetch(tf.data.AUTOTUNE).with_options(options)
    return parallelism.fixed(dataset)


def _check(batch_size: int) -> None:
    if batch_size < 1:
        raise InputError(
            f"Expected a batch size of at least 1. Received: {batch_size}."
        )
