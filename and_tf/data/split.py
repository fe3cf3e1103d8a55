"""What a data set is to everything else: splits of numbered images."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from and_tf.data import decoded
from and_tf.errors import InputError
from and_tf.preprocessing import centre_square

Seed = tf.Tensor | None
Keep = Callable[[tf.Tensor], tf.Tensor]


class _Lazy:
    """A dataclass field that may be set to a function of its value.

    The function is called when the field is first read, and only then.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            raise AttributeError(self._name)  # So the field has no default.
        value = instance.__dict__[self._name]
        if callable(value):
            value = instance.__dict__[self._name] = value()
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self._name] = value


@dataclasses.dataclass(frozen=True, eq=False)
class Stream:
    """Encoded images in a given or a drawn order, decoded one by one.

    Attributes:
        encoded: Takes None (in order of number) or a seed, int64 `[2]`, that
            may be symbolic; gives a data set of (encoded image, number).
        decode: Takes one encoded image, gives uint8 `[H, W, 3]`, or an image
            of no pixels where it cannot be read.
        identity: Tells its images from all others, those of an earlier state
            of the same files too; gives None where that cannot be said.
        renumber: int64 `[N]`: the number by which an image goes instead of
            its own, -1 leaves it out. None keeps all as they are.
    """

    encoded: Callable[[Seed], tf.data.Dataset]
    decode: Callable[[tf.Tensor], tf.Tensor]
    identity: Callable[[], str | None] = lambda: None
    renumber: np.ndarray | None = None

    def __call__(
        self,
        seed: Seed,
        skip: int | tf.Tensor = 0,
        keep: Keep | None = None,
    ) -> tf.data.Dataset:
        """Gives (image uint8 `[H, W, 3]`, number int64 `[]`).

        Args:
            seed: None for the order of number, or what draws another.
            skip: How many images to pass over; none of them is decoded.
            keep: Whether to give the image of a place in the order, int64
                `[]`; those that it does not keep are not decoded either.
        """

        def decode(encoded: tf.Tensor, number: tf.Tensor) -> tuple:
            image = self.decode(encoded)
            message = "Expected an image that can be read. Received:"
            with tf.control_dependencies(
                [tf.debugging.Assert(tf.size(image) > 0, [message, encoded])]
            ):
                return tf.identity(image), number

        return _places(self.kept(seed), skip, keep).map(
            decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )

    def kept(self, seed: Seed) -> tf.data.Dataset:
        """Gives (encoded image, number) of the images that are kept."""
        dataset = self.encoded(seed)
        if self.renumber is None:
            return dataset
        table = captured(self.renumber)
        return dataset.map(
            lambda encoded, number: (encoded, tf.gather(table, number))
        ).filter(lambda _, number: number >= 0)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Split:
    """One split: numbered images, in memory or streamed, labels apart.

    Attributes:
        name: Such as "cifar10/train".
        size: N.
        image_shape: (H, W) that all images share, None where they differ.
        stream: Takes None for the order of number 0..N-1, or a seed, int64
            `[2]` and maybe symbolic, for an order drawn from it; then `skip`
            and `keep` of `Stream`. Gives elements (image uint8 `[H, W, 3]`,
            number int64 `[]`).
        labels: int64 `[N]`, -1 where unlabelled; None where there are none
            at all. May be set to a function, called when first read.
        class_names: Name of each label.
        file_names: Of a folder, the relative path of each number.
        images: uint8 `[N, H, W, 3]` where the split is held in memory.
        skipped: Files that are left out because they cannot be read.
    """

    name: str
    size: int
    image_shape: tuple[int, int] | None
    stream: Callable[..., tf.data.Dataset]
    labels: np.ndarray | None = _Lazy()
    class_names: tuple[str, ...] | None = None
    file_names: tuple[str, ...] | None = None
    images: np.ndarray | None = None
    skipped: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class ImageData:
    """The splits of a data set; `test` is None where it has none."""

    name: str
    train: Split
    test: Split | None


def shuffled_numbers(size: int, seed: Seed) -> tf.data.Dataset:
    """Numbers 0..size-1 as int64, in order or in one drawn from `seed`."""
    if seed is None:
        return tf.data.Dataset.range(size)
    numbers = tf.range(size, dtype=tf.int64)
    return tf.data.Dataset.from_tensor_slices(
        tf.random.experimental.stateless_shuffle(numbers, seed)
    )


def _places(
    dataset: tf.data.Dataset, skip: int | tf.Tensor, keep: Keep | None
) -> tf.data.Dataset:
    """Passes over `skip` elements, and then over those at places not kept."""
    dataset = dataset.skip(skip)
    if keep is None:
        return dataset
    numbered = dataset.enumerate(tf.cast(skip, tf.int64))
    return numbered.filter(lambda place, _: keep(place)).map(
        lambda _, element: element
    )


def in_memory(
    name: str,
    images: np.ndarray,
    labels: np.ndarray | Callable[[], np.ndarray | None] | None,
    **fields: Any,
) -> Split:
    """Makes a split of images that are there already.

    Args:
        name: The split's name.
        images: uint8 `[N, H, W, 3]`.
        labels: int64 `[N]`, None, or a function of either.
        **fields: Further fields of `Split`.
    """

    def stream(
        seed: Seed, skip: int | tf.Tensor = 0, keep: Keep | None = None
    ) -> tf.data.Dataset:
        table = captured(images)
        numbers = _places(shuffled_numbers(len(images), seed), skip, keep)
        return numbers.map(lambda number: (tf.gather(table, number), number))

    return Split(
        name, len(images), images.shape[1:3], stream, labels,
        images=images, **fields,
    )  # fmt: skip


def take(
    split: Split, chosen: np.ndarray, skipped: tuple[str, ...] | None = None
) -> Split:
    """Keeps some of a split's images and counts them anew from 0.

    Args:
        split: A split in memory, or one whose stream is a `Stream`.
        chosen: int64 `[n]`, ascending: the numbers to keep.
        skipped: Replaces the split's own where given.
    """

    def labels() -> np.ndarray | None:
        return None if split.labels is None else split.labels[chosen]

    file_names = split.file_names
    if file_names is not None:
        file_names = tuple(file_names[number] for number in chosen)
    fields = dict(
        class_names=split.class_names,
        file_names=file_names,
        skipped=split.skipped if skipped is None else skipped,
    )
    if split.images is not None:
        return in_memory(split.name, split.images[chosen], labels, **fields)
    old = split.stream.renumber
    if old is None:
        old = np.arange(split.size)
    renumber = np.full_like(old, -1)
    renumber[np.flatnonzero(old >= 0)[chosen]] = np.arange(len(chosen))
    stream = dataclasses.replace(split.stream, renumber=renumber)
    return Split(
        split.name, len(chosen), split.image_shape, stream, labels, **fields
    )


def subset(split: Split, count: int, seed: int) -> Split:
    """Draws a fixed random subset; the whole split where `count` is 0.

    Args:
        split: Any split that `load` makes.
        count: How many images to keep; more than there are keeps all.
        seed: Which subset: the same seed always draws the same.
    """
    if not 0 < count < split.size:
        return split
    generator = np.random.default_rng(seed)
    chosen = generator.choice(split.size, count, replace=False)
    return take(split, np.sort(chosen))


def hold(split: Split, side: int | None) -> Split:
    """Decodes a streamed split once and keeps its images in memory.

    Files that cannot be read are left out, and named in `skipped`.

    Args:
        split: A split whose stream is a `Stream`.
        side: Keep the centre square resized to side x side; None keeps the
            images as they are, of the shape that they all share.

    Raises:
        InputError: Images that are no files of their own cannot be read.
    """
    shape = (*((side, side) if side else split.image_shape), 3)
    try:
        images, readable = _decoded(split, shape, side)
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        raise InputError(
            f"Expected {split.name} in files that are whole. Received: "
            f"{error.message.splitlines()[0]}. Get the data set anew."
        ) from error
    if split.file_names is None and not readable.all():
        raise InputError(
            f"Expected {split.size} images in {split.name}. Received "
            f"{readable.sum()}. Get the data set anew."
        )
    held = in_memory(
        split.name, images, lambda: split.labels,
        class_names=split.class_names, file_names=split.file_names,
        skipped=split.skipped,
    )  # fmt: skip
    if readable.all():
        return held
    broken = (split.file_names[i] for i in np.flatnonzero(~readable))
    return take(
        held, np.flatnonzero(readable), tuple(sorted({*split.skipped, *broken}))
    )


@tf.autograph.experimental.do_not_convert
def readable_batches(
    split: Split,
    shape: tuple[int, int, int],
    side: int | None,
    *,
    batch_size: int,
    first: int = 0,
    ordered: bool = True,
) -> tf.data.Dataset:
    """Decodes a stream's images, those too that may not be readable.

    Args:
        split: A split whose stream is a `Stream`.
        shape: `[H, W, 3]` of all images given.
        side: Give the centre square resized to side x side, which `shape`
            is; None gives the images as they are.
        batch_size: b; the last batch may be smaller.
        first: How many images to pass over; none of them is decoded.
        ordered: Whether batches come in order of number.

    Returns:
        Batches of (images uint8 `[b, *shape]`, readable bool `[b]`, numbers
        int64 `[b]`). An image that cannot be read is all zeros.
    """

    def decode(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = split.stream.decode(encoded)
        readable = tf.size(image) > 0
        image = tf.cond(
            readable,
            lambda: centre_square(image, side) if side else image,
            lambda: tf.zeros(shape, tf.uint8),
        )
        return tf.ensure_shape(image, shape), readable

    def decode_batch(encoded: tf.Tensor, numbers: tf.Tensor) -> tuple:
        types = tf.uint8, tf.bool
        return *tf.map_fn(decode, encoded, fn_output_signature=types), numbers

    # A loop in each batch: of small images, tf.data's own work for every
    # element would take as long as the decoding.
    batches = split.stream.kept(None).skip(first).batch(batch_size)
    return batches.map(
        decode_batch,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=ordered,
    ).prefetch(tf.data.AUTOTUNE)


def _decoded(
    split: Split, shape: tuple[int, int, int], side: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Recalls all images of a split, or decodes and keeps them.

    What could not be read is tried again by the next process.

    Returns:
        uint8 `[N, *shape]` and which could be read, bool `[N]`.
    """
    name = split.stream.identity()
    if name is None:
        return _decode_all(split, shape, side)
    renumber = split.stream.renumber
    chosen = None if renumber is None else renumber.tobytes()
    name = decoded.identity([], name, shape, side, chosen)
    images = decoded.recall(name)
    if images is not None:
        return images, np.ones(split.size, bool)
    images, readable = _decode_all(split, shape, side)
    if readable.all():
        decoded.keep(name, images)
    return images, readable


def _decode_all(
    split: Split, shape: tuple[int, int, int], side: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Decodes all images of a split: uint8 `[N, *shape]`, readable `[N]`."""
    images = np.zeros((split.size, *shape), np.uint8)
    readable = np.zeros(split.size, bool)
    batches = readable_batches(split, shape, side, batch_size=64, ordered=False)
    for batch, good, numbers in batches.as_numpy_iterator():
        images[numbers] = batch
        readable[numbers] = good
    return images, readable


_CAPTURED: dict[int, tf.Tensor] = {}


def captured(array: np.ndarray) -> tf.Tensor:
    """An eager CPU tensor, which a graph captures and does not contain.

    Made once for an array and kept as long as it is, since the images of a
    split go into a data set for training and one for each evaluation.
    """
    key = id(array)
    if key not in _CAPTURED:
        with tf.init_scope(), tf.device("CPU:0"):
            _CAPTURED[key] = tf.constant(array)
        weakref.finalize(array, _CAPTURED.pop, key)
    return _CAPTURED[key]
