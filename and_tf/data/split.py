"""What a data set is to everything else: splits of numbered images."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from and_tf.data import background, decoded, parallelism
from and_tf.data.sharing import captured, empty, shareable
from and_tf.errors import InputError
from and_tf.preprocessing import centre_square

_GROUP = 64  # Images decoded as one element of a data set.
_COPIED_BYTES = 4 * 2**20  # Of images that come to Python at once.

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
        images: uint8 `[N, H, W, 3]` where the split is held in memory. May
            be set to a function, called when first read.
        skipped: Files that are left out because they cannot be read.
    """

    name: str
    size: int
    image_shape: tuple[int, int] | None
    stream: Callable[..., tf.data.Dataset]
    labels: np.ndarray | None = _Lazy()
    class_names: tuple[str, ...] | None = None
    file_names: tuple[str, ...] | None = None
    images: np.ndarray | None = _Lazy()
    skipped: tuple[str, ...] = ()

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


def hold(split: Split, side: int | None, later: bool = False) -> Split:
    """Decodes a streamed split once and keeps its images in memory.

    Files that cannot be read are left out, and named in `skipped`. Images
    that are no files of their own have to be whole, all of them, so that
    their number is known before they are decoded: that goes on in the
    background, and `images` waits for its end.

    Args:
        split: A split whose stream is a `Stream`.
        side: Keep the centre square resized to side x side; None keeps the
            images as they are, of the shape that they all share.
        later: Decode images that are no files of their own when they are
            first needed, and leave the cores to others until then.

    Raises:
        InputError: An image that is no file of its own cannot be read;
            raised where images are first needed.
    """
    shape = (*((side, side) if side else split.image_shape), 3)
    fields = dict(class_names=split.class_names, file_names=split.file_names)
    labels = lambda: split.labels  # noqa: E731
    if split.file_names is None:
        whole = functools.partial(_whole, split, shape, side)
        images = functools.cache(whole) if later else background.begin(whole)
        all_images = split.size, *shape
        return in_memory(split.name, images, labels, all_images, **fields)
    images, readable, keep = _decoded(split, shape, side)
    keep()
    held = in_memory(
        split.name, images, labels, skipped=split.skipped, **fields
    )
    if readable.all():
        return held
    broken = (split.file_names[i] for i in np.flatnonzero(~readable))
    return take(
        held, np.flatnonzero(readable), tuple(sorted({*split.skipped, *broken}))
    )


def _whole(
    split: Split, shape: tuple[int, int, int], side: int | None
) -> np.ndarray:
    """All images of a split that has nothing to leave out."""
    try:
        images, readable, keep = _decoded(split, shape, side)
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        raise InputError(
            f"Expected {split.name} in files that are whole. Received: "
            f"{error.message.splitlines()[0]}. Get the data set anew."
        ) from error
    if not readable.all():
        raise InputError(
            f"Expected {split.size} images in {split.name}. Received "
            f"{readable.sum()}. Get the data set anew."
        )
    background.begin(keep)  # Whoever waits for images need not wait for this.
    return images


@tf.autograph.experimental.do_not_convert
def readable_batches(
    split: Split,
    shape: tuple[int, int, int],
    side: int | None,
    *,
    batch_size: int,
    first: int = 0,
) -> tf.data.Dataset:
    """Decodes a stream's images, those too that may not be readable.

    Args:
        split: A split whose stream is a `Stream`.
        shape: `[H, W, 3]` of all images given.
        side: Give the centre square resized to side x side, which `shape`
            is; None gives the images as they are.
        batch_size: b; the last batch may be smaller.
        first: How many images to pass over; none of them is decoded.

    Returns:
        In order of number, batches of (images uint8 `[b, *shape]`, readable
        bool `[b]`, numbers int64 `[b]`). An image that cannot be read is all
        zeros.
    """

    def shaped(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = centre_square(image, side) if side else image
        return tf.ensure_shape(image, shape), tf.constant(True)

    @tf.function(autograph=False)
    def decode(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = split.stream.decode(encoded)
        if image.shape.is_fully_defined():  # Then it has pixels.
            return shaped(image)
        return tf.cond(
            tf.size(image) > 0,
            lambda: shaped(image),
            lambda: (tf.zeros(shape, tf.uint8), tf.constant(False)),
        )

    def each(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        types = tf.uint8, tf.bool
        return tf.map_fn(decode, encoded, fn_output_signature=types)

    def all_at_once(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, readable = zip(*map(decode, tf.unstack(encoded, _GROUP)))
        return tf.stack(images), tf.stack(readable)

    def decode_group(encoded: tf.Tensor, numbers: tf.Tensor) -> tuple:
        encoded = split.stream.unpack(encoded)
        images, readable = tf.cond(
            tf.size(encoded) == _GROUP,
            lambda: all_at_once(encoded),
            lambda: each(encoded),
        )
        return images, readable, numbers

    # Of small images, tf.data's own work for every element would take as long
    # as the decoding. So a group is one element, and without a loop, which
    # took a tenth longer.
    groups = split.stream.kept(None).skip(first).batch(_GROUP)
    return parallelism.fixed(
        groups.map(decode_group, num_parallel_calls=tf.data.AUTOTUNE)
        .rebatch(batch_size)
        .prefetch(tf.data.AUTOTUNE)
    )


def _decoded(
    split: Split, shape: tuple[int, int, int], side: int | None
) -> tuple[np.ndarray, np.ndarray, Callable[[], None]]:
    """Recalls all images of a split, or decodes them.

    What could not be read is tried again by the next process.

    Returns:
        uint8 `[N, *shape]`, which could be read, bool `[N]`, and what keeps
        the images for other processes.
    """

    def keep() -> None:
        if name is not None and fresh and readable.all():
            decoded.keep(name, images)

    name = split.stream.identity()
    if name is not None:
        renumber = split.stream.renumber
        chosen = None if renumber is None else renumber.tobytes()
        name = decoded.identity([], name, shape, side, chosen)
    images = None if name is None else decoded.recall(name)
    readable = np.ones(split.size, bool)
    if fresh := images is None:
        images, readable = _decode_all(split, shape, side)
    return images, readable, keep


def _decode_all(
    split: Split, shape: tuple[int, int, int], side: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Decodes all images of a split: uint8 `[N, *shape]`, readable `[N]`."""
    images = empty((split.size, *shape))
    readable = np.zeros(split.size, bool)
    at_once = max(1, _COPIED_BYTES // math.prod(shape))
    batches = readable_batches(split, shape, side, batch_size=at_once)
    for batch, good, numbers in batches.as_numpy_iterator():
        if background.abandoned():
            raise SystemExit
        those = slice(numbers[0], numbers[0] + len(numbers))
        images[those] = batch
        readable[those] = good
    return images, readable
