"""Reads a folder of image files, with or without a sub-folder a class."""

from __future__ import annotations

import concurrent.futures
import functools
import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from and_tf.data import (
    decode_cache,
    image_endings,
    image_file,
    split_folders,
    walking,
)
from and_tf.data.image_depth import NARROW
from and_tf.data.pixel_format import RGB, PixelFormat, advice
from and_tf.data.request import Request
from and_tf.data.split import ImageData, Seed, Split, Stream, shuffled_numbers
from and_tf.data.walking import Parts, Skipped, composed, summaries, utf8
from and_tf.utils.errors import InputError

_DEEP_SAMPLE = 16  # The number of 16-bit images whose values are examined.


def load(request: Request) -> ImageData:
    """Makes the splits that a user asks for, see `read`."""
    return read(
        request.data_dir, request.train_split, request.test_split, request.form
    )


def read(
    data_dir: str | None,
    train_split: str = "",
    test_split: str = "",
    form: PixelFormat = RGB,
) -> ImageData:
    """Makes streamed splits of a folder's images.

    Files whose header cannot be read are left out, and named in `skipped`.

    Args:
        data_dir: The folder that holds a folder for each split, see
            `split_folders`, or only training images. Images of a split lie at
            any depth in a sub-folder for each class, or directly in the
            folder, where they have no label.
        train_split: The training folder, relative to `data_dir`; "" finds it.
        test_split: The test folder, relative to `data_dir`; "" finds it.
        form: The channels that are read, and what their values mean.

    Raises:
        InputError: If the folder is missing or holds no readable image.
    """
    if not data_dir or not os.path.isdir(data_dir):
        raise InputError(
            "Expected --dataset=folder with --data_dir, a folder of images. "
            f"Received: --data_dir={data_dir or ''}, which is "
            f"{'no folder' if data_dir else 'none'}."
        )
    layout = split_folders.find(data_dir, train_split, test_split)
    roots = [root for root in (layout.train, layout.test) if root]
    checked = [_Checked(data_dir, root, form) for root in roots]
    classes = classes_of(parts for c in checked for parts in c.paths)
    splits = [one.split(classes) for one in checked]
    remarks = (
        *layout.remarks,
        *inner_splits(c.paths for c in checked),
        *_narrow([file for c in checked for file in c.deep_files()]),
    )
    test = splits[1] if splits[1:] else None
    return ImageData("folder", splits[0], test, remarks, form)


def read_all(root: str, form: PixelFormat = RGB) -> Split:
    """Makes one streamed split of every image below a folder, unchecked.

    Unlike in `read`, no sub-folder stands for a split, and a file that cannot
    be read is noticed only when it is decoded.

    Args:
        root: The folder; sub-folders directly below it are classes.
        form: The channels that are read, and what their values mean.

    Raises:
        InputError: If the folder is missing or holds no image file.
    """
    if not os.path.isdir(root):
        raise InputError(f"Expected a folder of images. Received: {root!r}.")
    paths, skipped = walking.walk(root)
    classes = classes_of(paths)
    labels = labels_of(paths, classes)
    names = [os.path.join(*parts) for parts in paths]
    shown = tuple(map(utf8, classes))
    return read_files(
        root, names, labels, shown, root=root, skipped=skipped, form=form
    )


def read_files(
    name: str,
    file_names: Sequence[str],
    labels: np.ndarray | None = None,
    class_names: tuple[str, ...] = (),
    *,
    root: str = "",
    skipped: tuple[Skipped, ...] = (),
    form: PixelFormat = RGB,
) -> Split:
    """Makes a streamed split of image files, unchecked.

    Args:
        name: The split's name.
        file_names: The paths of the files, in order of sample number.
        labels: int64 `[N]`, -1 for images without a label; None if no image
            has one.
        class_names: The name of each label, printable, see `walking.utf8`.
        root: The folder that the paths are relative to; "" is the working
            directory.
        skipped: The files and folders that were found and left out.
        form: The channels that are read, and what their values mean.

    Raises:
        InputError: If there are no files.
    """
    if not file_names:
        raise _none_found(name, skipped)
    labelled = labels is not None and bool((labels >= 0).any())
    return Split(
        name=name,
        size=len(file_names),
        image_shape=None,
        stream=_stream([os.path.join(root, file) for file in file_names], form),
        labels=labels if labelled else None,
        class_names=class_names if labelled else None,
        file_names=tuple(file_names),
        skipped=skipped,
        channels=form.channels,
    )


class _Checked:
    """The images of one split's folder whose headers can be read.

    Args:
        data_dir: The data directory.
        root: The split's folder, relative to `data_dir`.
        form: The channels that are read, and what their values mean.

    Attributes:
        paths: The parts of each image's path below `root`.

    Raises:
        InputError: If there is no such image.
    """

    def __init__(self, data_dir: str, root: str, form: PixelFormat) -> None:
        self._data_dir, self._root, self._form = data_dir, root, form
        found = walking.walk(os.path.join(data_dir, root))
        with concurrent.futures.ThreadPoolExecutor() as pool:
            headers = list(
                pool.map(
                    lambda parts: image_file.read_header(
                        self._file(parts), form
                    ),
                    found.images,
                )
            )
        broken = [
            Skipped(utf8(os.path.join(*parts)), header)
            for parts, header in zip(found.images, headers, strict=True)
            if isinstance(header, str)
        ]
        good = [
            (parts, header)
            for parts, header in zip(found.images, headers, strict=True)
            if not isinstance(header, str)
        ]
        self.paths = tuple(parts for parts, _ in good)
        self._headers = [header for _, header in good]
        self._skipped = tuple(
            Skipped(os.path.normpath(os.path.join(utf8(root), name)), reason)
            for name, reason in sorted([*broken, *found.skipped])
        )
        if not good:
            raise _none_found(os.path.join(data_dir, root), self._skipped)

    def split(self, classes: Sequence[str]) -> Split:
        """Makes the split, with labels as indices into `classes`.

        Args:
            classes: The names of the classes of all splits together, sorted.
        """
        labels = labels_of(self.paths, classes)
        labelled = bool((labels >= 0).any())
        shapes = {(header.height, header.width) for header in self._headers}
        return Split(
            name=f"folder/{'train' if self._root == '.' else self._root}",
            size=len(self.paths),
            image_shape=shapes.pop() if len(shapes) == 1 else None,
            stream=_stream(
                [self._file(parts) for parts in self.paths], self._form
            ),
            labels=labels if labelled else None,
            class_names=tuple(map(utf8, classes)) if labelled else None,
            file_names=tuple(map(self._name, self.paths)),
            skipped=self._skipped,
            channels=self._form.channels,
        )

    def deep_files(self) -> list[str]:
        """Returns the paths of images whose grey values exceed 8 bits."""
        return [
            self._file(parts)
            for parts, header in zip(self.paths, self._headers, strict=True)
            if header.is_deep
        ]

    def _name(self, parts: Parts) -> str:
        return os.path.normpath(os.path.join(self._root, *parts))

    def _file(self, parts: Parts) -> str:
        return os.path.join(self._data_dir, self._name(parts))


def _none_found(place: str, skipped: Sequence[Skipped]) -> InputError:
    received = "; ".join(summaries(skipped)) or "none"
    return InputError(
        f"Expected images ({', '.join(image_endings.readable())}) in "
        f"{utf8(place)}. Received: {received}.{advice(skipped)}"
    )


def _class(parts: Parts) -> str | None:
    """Returns the class in an image's path, or None if it has none."""
    return composed(parts[0]) if len(parts) > 1 else None


def classes_of(paths: Iterable[Parts]) -> list[str]:
    """Returns the names of the classes of some images, sorted."""
    return sorted({name for parts in paths if (name := _class(parts))})


def labels_of(paths: Sequence[Parts], classes: Sequence[str]) -> np.ndarray:
    """Returns the index of each path's class, int64 `[N]`; -1 for none."""
    label_of = {name: label for label, name in enumerate(classes)}
    labels = [label_of.get(_class(parts) or "", -1) for parts in paths]
    return np.array(labels, np.int64)


def inner_splits(splits: Iterable[Sequence[Parts]]) -> Iterator[str]:
    """Warns if folders below the classes are named like splits."""
    inner = sorted({
        name
        for paths in splits
        for parts in paths
        for name in parts[1:-1]
        if split_folders.split_name(name)
    })  # fmt: skip
    read = map(split_folders.split_name, inner)
    kinds = {said.kind for said in read if said}
    if len(kinds) > 1:
        yield (
            f"{', '.join(utf8(name) for name in inner[:4])}: folders below "
            "classes, not told apart. Put the classes below the splits to "
            "have these as splits."
        )


def _narrow(deep_files: Sequence[str]) -> Iterator[str]:
    """Warns if grey values of 16 bits use a small part of their range."""
    step = -(-len(deep_files) // _DEEP_SAMPLE) or 1
    looked_at = [image_file.largest_value(f) for f in deep_files[::step]]
    sample = [value for value in looked_at if value is not None]
    if not sample or len(sample) < len(looked_at):
        return
    if 0 < max(sample) < NARROW:
        yield (
            f"{len(deep_files):,} images have grey values of 16 bits, of "
            f"which {len(sample)} were looked at: none is above "
            f"{max(sample):,} of 65,535, so they are dark. If they come from "
            "a camera of fewer bits, scale them to 0..65,535 first."
        )


def _stream(files: list[str], form: PixelFormat) -> Stream:
    """Makes a stream of image files; only their numbers are shuffled."""
    table = np.array([os.fsencode(file) for file in files])

    def encoded(seed: Seed) -> tf.data.Dataset:
        return shuffled_numbers(len(files), seed).map(
            lambda number: (tf.gather(table, number), number)
        )

    def decode(path: tf.Tensor) -> tf.Tensor:
        image = tf.numpy_function(
            functools.partial(_pixels, form), [path], tf.uint8
        )
        return tf.ensure_shape(image, (None, None, form.channels))

    def identity() -> str | None:
        return decode_cache.identity(table.tolist(), *form.cache_key)

    def values(number: int) -> np.ndarray | None:
        return image_file.values_or_none(files[number], form.channels)

    return Stream(encoded, decode, identity=identity, values=values)


def _pixels(form: PixelFormat, path: bytes) -> np.ndarray:
    """Decodes an image file; returns an image of no pixels if it fails."""
    image = image_file.read_or_none(path, form)
    return form.no_image if image is None else image
