"""Makes batches of pairs: of images and their neighbours, or of two views.

An image is seen as a view or, if its features were computed once, as a row of
them.

As in `data.pipeline`, there is no random state: the order, the views and the
neighbour that a sample is paired with follow from (seed, epoch, sample).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from and_tf.augmentation import Recipe
from and_tf.data.pipeline import finish, order_seed
from and_tf.data.split import Split
from and_tf.data.zero_copy import captured
from and_tf.distribution.process_group import part
from and_tf.utils.errors import InputError

ANCHOR, NEIGHBOUR = 0, 1  # The streams of random numbers for the views.


class Side(NamedTuple):
    """A description of one image of each pair and of its view.

    Attributes:
        view: The recipe of the view. If None, the array's row is taken as it
            is.
        stream: The stream of random numbers; different streams give different
            views of a sample in the same epoch.
        neighbours: int32 [N, K]. The image is one of the sample's neighbours;
            if None, it is the sample itself.
    """

    view: Recipe | None
    stream: int
    neighbours: np.ndarray | None = None


def pair_batches(
    split: Split, neighbours: np.ndarray, view: Recipe, **options: Any
) -> tf.data.Dataset:
    """Makes batches of images and of one neighbour each, for many epochs.

    Args:
        split: The N images, in memory.
        neighbours: int32 [N, K], the neighbours of each sample.
        view: The recipe of the views, with side V.
        **options: The other arguments of `batches_of`.

    Returns:
        Batches of (images, neighbours), both float32 [b, V, V, 3] with values
        0..255.
    """
    sides = Side(view, ANCHOR), Side(view, NEIGHBOUR, neighbours)
    return batches_of(split.images, sides, **options)


def feature_batches(
    features: np.ndarray, neighbours: np.ndarray, **options: Any
) -> tf.data.Dataset:
    """Makes batches of features of images and of one neighbour each.

    The pairs and their order are those that `pair_batches` makes.

    Args:
        features: float32 [N, F], the features of each sample.
        neighbours: int32 [N, K], the neighbours of each sample.
        **options: The other arguments of `batches_of`.

    Returns:
        Batches of (features, neighbours' features), both float32 [b, F].
    """
    sides = Side(None, ANCHOR), Side(None, NEIGHBOUR, neighbours)
    return batches_of(features, sides, **options)


def weak_and_strong_batches(
    split: Split, weak: Recipe, strong: Recipe, **options: Any
) -> tf.data.Dataset:
    """Makes batches of two views of the same images, for many epochs.

    Args:
        split: The N images, in memory.
        weak: The recipe of the weak views.
        strong: The recipe of the strong views.
        **options: The other arguments of `batches_of`.

    Returns:
        Batches of (weak views, strong views), both float32 [b, V, V, 3] with
        values 0..255. V is the side of each recipe; the two may differ.
    """
    sides = Side(weak, ANCHOR), Side(strong, NEIGHBOUR)
    return batches_of(split.images, sides, **options)


@tf.autograph.experimental.do_not_convert
def batches_of(
    rows: np.ndarray,
    sides: Sequence[Side],
    *,
    batch_size: int,
    seed: int,
    epochs: int,
    first_epoch: int = 0,
    first_step: int = 0,
    share: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Makes batches of samples, or of their neighbours, and of their views.

    Every epoch has another order. The samples after the last whole batch of
    an epoch are dropped, as the entropy of a small batch is a poor estimate.

    Args:
        rows: The N images, uint8 [N, H, W, 3], or their features, float32
            [N, F].
        sides: The images and views of each batch, which is a tuple with an
            entry for each side.
        batch_size: The global batch size B.
        seed: The random seed of the clustering.
        epochs: The epoch to stop before: the batches are those of epochs
            `first_epoch` to `epochs` - 1.
        first_epoch: The first epoch, 0 by default.
        first_step: The number of batches of the first epoch to skip.
        share: (i, n) returns part i of n of each batch, such as that of one
            of n processes. Defaults to whole batches.

    Returns:
        Batches with one array for each entry of `sides`: float32
        [b, V, V, 3] with values 0..255, where V is the side of its views in
        pixels, or rows as they are where it has none.
    """
    size, source = len(rows), captured(rows)
    layers = [side.view.layer() if side.view else None for side in sides]
    found = [
        None if side.neighbours is None else captured(side.neighbours)
        for side in sides
    ]
    steps = size // batch_size

    def numbered(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(size, dtype=tf.int64), order_seed(seed, epoch)
        )
        shown = [
            tf.range(size) if of is None else choose(of, seed, epoch)
            for of in found
        ]  # [N] each
        draws = [
            side.view.draw(seed, epoch, size, side.stream)
            if side.view
            else tf.zeros([size, 0])
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

    def seen(
        augment: keras.Layer | None, sample_ids: tf.Tensor, draws: tf.Tensor
    ) -> tf.Tensor:
        found = tf.gather(source, sample_ids)
        return augment({"images": found, "draws": draws}) if augment else found

    def augmented(*batch: tuple[tf.Tensor, tf.Tensor]) -> tuple:
        return tuple(
            seen(augment, *drawn)
            for augment, drawn in zip(layers, batch, strict=True)
        )

    # The slow map is outside `flat_map`, so its prefetched batches do not run
    # out between two epochs.
    batches = tf.data.Dataset.range(first_epoch, epochs).flat_map(numbered)
    count = max(0, steps * (epochs - first_epoch) - first_step)
    return finish(
        batches.map(augmented, num_parallel_calls=tf.data.AUTOTUNE).apply(
            tf.data.experimental.assert_cardinality(count)
        )
    )


def with_own(neighbours: np.ndarray) -> np.ndarray:
    """Adds each sample as its own first neighbour, int32 [N, K + 1].

    One pair in K + 1 is therefore two views of one image, as in SCAN's code.

    Args:
        neighbours: int32 [N, K], the neighbours of each sample.
    """
    own = np.arange(len(neighbours), dtype=neighbours.dtype)
    return np.concatenate([own[:, None], neighbours], axis=1)


def choose(
    neighbours: tf.Tensor, seed: int, epoch: int | tf.Tensor
) -> tf.Tensor:
    """Draws one of the neighbours of each sample, int32 [N].

    Args:
        neighbours: int32 [N, K], the neighbours of each sample.
        seed: The random seed of the clustering.
        epoch: The number of the epoch, which may be symbolic.
    """
    key = tf.stack([tf.cast(seed, tf.int64), tf.cast(epoch, tf.int64)])
    count, most = neighbours.shape
    places = tf.random.stateless_uniform(
        [count],
        # These random numbers differ from those of the order and the views.
        tf.random.experimental.stateless_fold_in(key, 0),
        maxval=most,
        dtype=tf.int32,
        alg="philox",
    )
    return tf.gather(neighbours, places, batch_dims=1)


def steps_per_epoch(split: Split, batch_size: int) -> int:
    """Returns the number of whole batches in an epoch.

    Raises:
        InputError: If the batch is larger than the split.
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
    """Checks that batches of pairs can be made.

    Args:
        split: The training images.
        batch_size: The global batch size B.
        replicas: The number of replicas that share a batch.
        flag: The flag of the batch size, for error messages.

    Raises:
        InputError: If the images are streamed, as neighbours are then not in
            memory, or if a batch is larger than the split or has fewer than
            two images per replica.
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
