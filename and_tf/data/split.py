"""What a data set is to everything else: splits of numbered images."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from and_tf.data.skipped import Skipped
from and_tf.data.zero_copy import captured, shareable

Seed = tf.Tensor | None
Keep = Callable[[tf.Tensor], tf.Tensor]


class _Lazy:
    """A dataclass field that may be set to a function of its value.

    The function is called when the field is first read, and only then. A
    field of this kind has the default None.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return None
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
            may be symbolic; gives a data set of (what holds an encoded image,
            number).
        decode: Takes one encoded image, gives uint8 `[H, W, 3]`, or an image
            of no pixels where it cannot be read.
        unpack: Takes what `encoded` gives, one or a batch of them, string
            `[]` or `[b]`; gives their encoded images. A batch costs little
            more than one.
        identity: Tells its images from all others, those of an earlier state
            of the same files too; gives None where that cannot be said.
        renumber: int64 `[N]`: the number by which an image goes instead of
            its own, -1 leaves it out. None keeps all as they are.
    """

    encoded: Callable[[Seed], tf.data.Dataset]
    decode: Callable[[tf.Tensor], tf.Tensor]
    unpack: Callable[[tf.Tensor], tf.Tensor] = tf.identity
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
            image = self.decode(self.unpack(encoded))
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
    """One split: numbered images, in memory or streamed, with their labels.

    Attributes:
        name: Such as "cifar10/train".
        size: N, the number of images.
        image_shape: (H, W) that all images share; None if they differ.
        stream: A function that gives elements (image uint8 `[H, W, 3]`, number
            int64 `[]`). It takes None for the order of number 0..N-1, or a
            seed, int64 `[2]`, that may be symbolic, for an order drawn from
            it; and `skip` and `keep` of `Stream`.
        labels: int64 `[N]`, -1 for images without a label; None if there are
            no labels at all. May be set to a function, which is called when
            the labels are first read.
        class_names: The name of each label.
        file_names: The relative path of each number, for a folder. Show one
            through `names.utf8`.
        images: uint8 `[N, H, W, 3]` if the split is held in memory. May be set
            to a function, which is called when the images are first read.
        skipped: What was found and left out, such as files that cannot be
            read.
    """

    name: str
    size: int
    image_shape: tuple[int, int] | None
    stream: Callable[..., tf.data.Dataset]
    labels: np.ndarray | None = _Lazy()
    class_names: tuple[str, ...] | None = None
    file_names: tuple[str, ...] | None = None
    images: np.ndarray | None = _Lazy()
    skipped: tuple[Skipped, ...] = ()

    @property
    def has_labels(self) -> bool:
        """Whether any image's label is known."""
        return self.labels is not None and bool((self.labels >= 0).any())

    @property
    def held(self) -> bool:
        """Whether `images` are in memory, or will be once they are read."""
        return self.__dict__["images"] is not None

    def wait(self) -> None:
        """Waits for `images`, if they are on their way.

        Raises:
            InputError: They cannot be read.
        """
        _ = self.images


@dataclasses.dataclass(frozen=True, eq=False)
class ImageData:
    """The splits of a data set.

    Attributes:
        name: Such as "cifar10".
        train: The training split.
        test: None where there is none.
        remarks: Sentences about what a user should know of the data before
            training begins.
    """

    name: str
    train: Split
    test: Split | None
    remarks: tuple[str, ...] = ()


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
    images: np.ndarray | Callable[[], np.ndarray],
    labels: np.ndarray | Callable[[], np.ndarray | None] | None,
    shape: tuple[int, ...] | None = None,
    **fields: Any,
) -> Split:
    """Makes a split of images that are there already, or will be.

    Args:
        name: The split's name.
        images: uint8 `[N, H, W, 3]`, or a function that always gives the
            same; what it raises is raised where images are first needed.
        labels: int64 `[N]`, None, or a function of either.
        shape: That of images where they are a function.
        **fields: Further fields of `Split`.
    """
    size, *image_shape, _ = shape or images.shape
    if not callable(images):
        images = shareable(images)
    get = images if callable(images) else lambda: images

    def stream(
        seed: Seed, skip: int | tf.Tensor = 0, keep: Keep | None = None
    ) -> tf.data.Dataset:
        table = captured(get())
        numbers = _places(shuffled_numbers(size, seed), skip, keep)
        return numbers.map(lambda number: (tf.gather(table, number), number))

    return Split(
        name, size, tuple(image_shape), stream, labels, images=images, **fields
    )


def take(
    split: Split,
    chosen: np.ndarray,
    skipped: tuple[Skipped, ...] | None = None,
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
    if split.held:
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
