"""Defines data sets as splits of numbered images, with or without labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from and_tf.data.pixel_format import RGB, PixelFormat
from and_tf.data.walking import UNREADABLE, Skipped, utf8
from and_tf.data.zero_copy import captured, shareable

Seed: TypeAlias = tf.Tensor | None
Keep = Callable[[tf.Tensor], tf.Tensor]


class LazyArray:
    """A dataclass field for an array or None, or a function that makes either.

    The function is called only when the field is first read. The default of
    such a field is None. Its value has the type `np.ndarray | Any` instead of
    `np.ndarray | None`: `Split.has_labels` and `Split.held` say whether there
    is an array, which a type checker cannot follow.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> np.ndarray | Any:
        if instance is None:
            return None
        value = instance.__dict__[self._name]
        if callable(value):
            value = instance.__dict__[self._name] = value()
        return value

    def __set__(
        self,
        instance: Any,
        value: np.ndarray | Callable[[], np.ndarray | None] | None,
    ) -> None:
        instance.__dict__[self._name] = value


@dataclasses.dataclass(frozen=True, eq=False)
class Stream:
    """A stream of encoded images, in order or shuffled, decoded one by one.

    Attributes:
        encoded: A function of None, for the order of number, or of a seed,
            int64 `[2]`, that may be symbolic. It returns a data set of
            (record with an encoded image, number).
        decode: A function of one encoded image. It returns uint8
            `[H, W, C]`, or an image of no pixels if it cannot be read.
        unpack: A function of one record or a batch of records, string `[]` or
            `[b]`. It returns their encoded images. A batch takes little more
            time than one record.
        identity: A function that returns a name for the current state of the
            images, which changes with their files, or None if it is unknown.
        raises: True if `decode` or `unpack` raises for an image that cannot be
            read, instead of returning one of no pixels.
        names: A function of a number that returns the printable name of its
            record.
        refusal: A function of an error of `encoded`, which no longer returns
            all records, that returns the error to raise instead.
        shown: A function of one record that returns what an error calls it,
            string `[]`; by default the record itself.
        renumber: int64 `[N]`: the new number of each image, -1 to leave it
            out. None keeps all images and their numbers.
        values: A function of a number that returns the values in the image's
            file, `[H, W, C]`, or None if they cannot be read. None says that
            images have 8 bits.
        why: A function of the number of an image that could not be read that
            returns a reason for `Skipped`.
    """

    encoded: Callable[[Seed], tf.data.Dataset]
    decode: Callable[[tf.Tensor], tf.Tensor]
    unpack: Callable[[tf.Tensor], tf.Tensor] = tf.identity
    identity: Callable[[], str | None] = lambda: None
    raises: bool = False
    names: Callable[[int], str] = str
    refusal: Callable[[Exception], Exception] = lambda error: error
    shown: Callable[[tf.Tensor], tf.Tensor] = tf.identity
    renumber: np.ndarray | None = None
    values: Callable[[int], np.ndarray | None] | None = None
    why: Callable[[int], str] = lambda _: UNREADABLE

    def __call__(
        self,
        seed: Seed,
        skip: int | tf.Tensor = 0,
        keep: Keep | None = None,
    ) -> tf.data.Dataset:
        """Returns elements (image uint8 `[H, W, C]`, number int64 `[]`).

        Args:
            seed: None for the order of number, or a seed, int64 `[2]`, to
                shuffle the images.
            skip: The number of images to skip; they are not decoded.
            keep: A function of a position in the order, int64 `[]`, that
                returns whether to keep its image. Other images are not
                decoded. None keeps all.
        """

        def decode(encoded: tf.Tensor, number: tf.Tensor) -> tuple:
            image = self.decode(self.unpack(encoded))
            message = "Expected an image that can be read. Received:"
            with tf.control_dependencies(
                [
                    tf.debugging.Assert(
                        tf.size(image) > 0, [message, self.shown(encoded)]
                    )
                ]
            ):
                return tf.identity(image), number

        return _places(self.kept(seed), skip, keep).map(
            decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )

    def name_of(self, number: int) -> str:
        """Returns the printable name of the image of this number."""
        return self.names(self._own(number))

    def why_not(self, number: int) -> str:
        """Returns why the image of this number could not be read."""
        return self.why(self._own(number))

    def kept(self, seed: Seed) -> tf.data.Dataset:
        """Returns (record, number) of all images that are not left out."""
        dataset = self.encoded(seed)
        if self.renumber is None:
            return dataset
        table = captured(self.renumber)
        return dataset.map(
            lambda encoded, number: (encoded, tf.gather(table, number))
        ).filter(lambda _, number: number >= 0)

    def _own(self, number: int) -> int:
        """Returns the number that an image has in `encoded`."""
        if self.renumber is not None:
            number = np.flatnonzero(self.renumber >= 0)[number]
        return int(number)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Split:
    """A split of numbered images, in memory or streamed, with their labels.

    Attributes:
        name: The name of the split, such as "cifar10/train".
        size: The number of images N.
        image_shape: (H, W) that all images share; None if they differ.
        stream: A function that returns a data set of elements (image uint8
            `[H, W, C]`, number int64 `[]`). It takes None for the order of
            number 0..N-1, or a seed, int64 `[2]`, that may be symbolic, to
            shuffle them; and `skip` and `keep`, see `Stream`.
        labels: int64 `[N]`, -1 for images without a label; None if there are
            no labels at all. May be set to a function, which is called when
            the labels are first read.
        class_names: The name of each class, or None.
        file_names: The relative path of each image of a folder, or the name
            that its reader gives it, by sample number; None for data sets of
            TFDS and for arrays. Print it through `walking.utf8`.
        images: uint8 `[N, H, W, C]` if the split is held in memory, or None.
            May be set to a function, which is called when the images are first
            read.
        skipped: The files, folders and records that were found and left out,
            such as files that cannot be read.
        resized: Whether `images` were resized when they were read, so that
            what sees larger images has to read them again.
        channels: C, the number of channels of the images.
    """

    name: str
    size: int
    image_shape: tuple[int, int] | None
    stream: Callable[..., tf.data.Dataset]
    labels: LazyArray = LazyArray()
    class_names: tuple[str, ...] | None = None
    file_names: tuple[str, ...] | None = None
    images: LazyArray = LazyArray()
    skipped: tuple[Skipped, ...] = ()
    resized: bool = False
    channels: int = 3

    @property
    def has_labels(self) -> bool:
        """True if the label of any image is known."""
        return self.labels is not None and bool((self.labels >= 0).any())

    @property
    def held(self) -> bool:
        """True if `images` are in memory, or will be once they are read."""
        return self.__dict__["images"] is not None

    def name_of(self, number: int) -> str:
        """Returns the printable name of an image that is a file or streamed."""
        if self.file_names is not None:
            return utf8(self.file_names[number])
        return self.encoded_stream.name_of(number)

    @property
    def encoded_stream(self) -> Stream:
        """The `Stream` of a split that is not in memory."""
        assert isinstance(self.stream, Stream)
        return self.stream

    def wait(self) -> None:
        """Waits until `images` are decoded.

        Raises:
            InputError: If they cannot be read.
        """
        _ = self.images


@dataclasses.dataclass(frozen=True, eq=False)
class ImageData:
    """The splits of a data set.

    Attributes:
        name: The name of the data set, such as "cifar10".
        train: The training split.
        test: The test split, or None.
        remarks: Sentences that a user should read before training begins.
        form: The channels of the images, and what their values mean.
    """

    name: str
    train: Split
    test: Split | None
    remarks: tuple[str, ...] = ()
    form: PixelFormat = RGB


def shuffled_numbers(size: int, seed: Seed) -> tf.data.Dataset:
    """Returns a data set of 0..size-1, int64, shuffled if `seed` is given."""
    if seed is None:
        return tf.data.Dataset.range(size)
    numbers = tf.range(size, dtype=tf.int64)
    return tf.data.Dataset.from_tensor_slices(
        tf.random.experimental.stateless_shuffle(numbers, seed)
    )


def _places(
    dataset: tf.data.Dataset, skip: int | tf.Tensor, keep: Keep | None
) -> tf.data.Dataset:
    """Skips `skip` elements, and then all positions that are not kept."""
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
    """Makes a split of images that are in memory, or will be.

    Args:
        name: The split's name.
        images: uint8 `[N, H, W, C]`, or a function that always returns the
            same array. It is called, and may raise, when images are first
            needed.
        labels: int64 `[N]` or None, or a function that returns either.
        shape: (N, H, W, C), required if `images` is a function.
        **fields: Further fields of `Split`.
    """
    if not callable(images):
        images = shareable(images)
        shape = shape or images.shape
    assert shape is not None
    size, height, width, channels = shape

    def get() -> np.ndarray:
        return images() if callable(images) else images

    def stream(
        seed: Seed, skip: int | tf.Tensor = 0, keep: Keep | None = None
    ) -> tf.data.Dataset:
        table = captured(get())
        numbers = _places(shuffled_numbers(size, seed), skip, keep)
        return numbers.map(lambda number: (tf.gather(table, number), number))

    return Split(
        name,
        size,
        (height, width),
        stream,
        labels,
        images=images,
        channels=channels,
        **fields,
    )


def take(
    split: Split,
    chosen: np.ndarray,
    skipped: tuple[Skipped, ...] | None = None,
) -> Split:
    """Keeps some of a split's images and renumbers them from 0.

    Args:
        split: A split in memory, or one whose stream is a `Stream`.
        chosen: int64 `[n]`, ascending: the sample numbers to keep.
        skipped: The files left out; None takes the split's own.
    """

    def labels() -> np.ndarray | None:
        return None if split.labels is None else split.labels[chosen]

    file_names = split.file_names
    if file_names is not None:
        file_names = tuple(file_names[number] for number in chosen)
    fields: dict[str, Any] = dict(
        class_names=split.class_names,
        file_names=file_names,
        skipped=split.skipped if skipped is None else skipped,
        resized=split.resized,
    )
    if split.held:
        return in_memory(split.name, split.images[chosen], labels, **fields)
    old = split.encoded_stream.renumber
    if old is None:
        old = np.arange(split.size)
    renumber = np.full_like(old, -1)
    renumber[np.flatnonzero(old >= 0)[chosen]] = np.arange(len(chosen))
    stream = dataclasses.replace(split.encoded_stream, renumber=renumber)
    return Split(
        split.name,
        len(chosen),
        split.image_shape,
        stream,
        labels,
        channels=split.channels,
        **fields,
    )


def subset(split: Split, count: int, seed: int) -> Split:
    """Draws a fixed random subset; returns the whole split if `count` is 0.

    Args:
        split: Any split that `load` makes.
        count: The number of images to keep; 0 keeps all, and so does a number
            that exceeds the size of the split.
        seed: Random seed; the same seed always draws the same subset.
    """
    if not 0 < count < split.size:
        return split
    generator = np.random.default_rng(seed)
    chosen = generator.choice(split.size, count, replace=False)
    return take(split, np.sort(chosen))
