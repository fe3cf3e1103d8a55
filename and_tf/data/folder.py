"""A folder of image files, with or without a sub-folder for each class."""

from __future__ import annotations

import concurrent.futures
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
from and_tf.data.skipped import Skipped, summaries
from and_tf.data.split import ImageData, Seed, Split, Stream, shuffled_numbers
from and_tf.data.walking import Parts, composed, utf8
from and_tf.utils.errors import InputError

_DEEP_SAMPLE = 16  # Images of 16 bits whose values are looked at.


def read(
    data_dir: str | None, train_split: str = "", test_split: str = ""
) -> ImageData:
    """Makes streamed splits of a folder's images.

    Files whose header cannot be read are left out, and named in `skipped`.

    Args:
        data_dir: Holds the folders of the splits, see `split_folders`, or
            else the training images alone. In each, images lie in a
            sub-folder for each class, as deep as they like, or loosely.
        train_split: The training folder, relative to `data_dir`; "" finds it.
        test_split: The test folder; "" finds it.

    Raises:
        InputError: The folder is missing, or holds no readable image.
    """
    if not data_dir or not os.path.isdir(data_dir):
        raise InputError(
            "Expected --dataset=folder with --data_dir, a folder of images. "
            f"Received: --data_dir={data_dir or ''}, which is "
            f"{'no folder' if data_dir else 'none'}."
        )
    layout = split_folders.find(data_dir, train_split, test_split)
    roots = [root for root in (layout.train, layout.test) if root]
    checked = [_Checked(data_dir, root) for root in roots]
    classes = _classes(parts for c in checked for parts in c.paths)
    splits = [one.split(classes) for one in checked]
    remarks = (
        *layout.remarks,
        *_inner_splits(c.paths for c in checked),
        *_narrow([file for c in checked for file in c.deep_files()]),
    )
    test = splits[1] if splits[1:] else None
    return ImageData("folder", splits[0], test, remarks)


def read_all(root: str) -> Split:
    """Makes one streamed split of every image below a folder, unchecked.

    Unlike with `read`, no sub-folder stands for a split, and a file that
    cannot be read is found so only when it is decoded.

    Args:
        root: The folder; sub-folders directly below are classes.

    Raises:
        InputError: The folder is missing, or holds no file of an image.
    """
    if not os.path.isdir(root):
        raise InputError(f"Expected a folder of images. Received: {root!r}.")
    paths, skipped = walking.walk(root)
    classes = _classes(paths)
    labels = _labels(paths, classes)
    names = [os.path.join(*parts) for parts in paths]
    shown = tuple(map(utf8, classes))
    return read_files(root, names, labels, shown, root=root, skipped=skipped)


def read_files(
    name: str,
    file_names: Sequence[str],
    labels: np.ndarray | None = None,
    class_names: tuple[str, ...] = (),
    *,
    root: str = "",
    skipped: tuple[Skipped, ...] = (),
) -> Split:
    """Makes a streamed split of image files, unchecked.

    Args:
        name: The split's name.
        file_names: The files, in order of number.
        labels: int64 `[N]`, -1 where unlabelled, or None.
        class_names: Name of each label, as `utf8` has it.
        root: What the names are relative to; "" the working directory.
        skipped: What was found and is none of them.

    Raises:
        InputError: There is none.
    """
    if not file_names:
        raise _none_found(name, skipped)
    labelled = labels is not None and bool((labels >= 0).any())
    return Split(
        name=name,
        size=len(file_names),
        image_shape=None,
        stream=_stream([os.path.join(root, file) for file in file_names]),
        labels=labels if labelled else None,
        class_names=class_names if labelled else None,
        file_names=tuple(file_names),
        skipped=skipped,
    )


class _Checked:
    """The images of one split's folder whose headers can be read.

    Args:
        data_dir: The data directory.
        root: The split's folder, relative to it.

    Attributes:
        paths: The parts of each image's path below `root`.

    Raises:
        InputError: There is none.
    """

    def __init__(self, data_dir: str, root: str) -> None:
        self._data_dir, self._root = data_dir, root
        found = walking.walk(os.path.join(data_dir, root))
        with concurrent.futures.ThreadPoolExecutor() as pool:
            headers = list(
                pool.map(
                    lambda parts: image_file.read_header(self._file(parts)),
                    found.images,
                )
            )
        broken = [
            Skipped(utf8(os.path.join(*parts)), header)
            for parts, header in zip(found.images, headers, strict=True)
            if isinstance(header, str)
        ]
        good = [n for n, h in enumerate(headers) if not isinstance(h, str)]
        self.paths = tuple(found.images[number] for number in good)
        self._headers = [headers[number] for number in good]
        self._skipped = tuple(
            Skipped(os.path.normpath(os.path.join(utf8(root), name)), reason)
            for name, reason in sorted([*broken, *found.skipped])
        )
        if not good:
            raise _none_found(os.path.join(data_dir, root), self._skipped)

    def split(self, classes: Sequence[str]) -> Split:
        """Makes the split; `classes` are those of all splits together."""
        labels = _labels(self.paths, classes)
        labelled = bool((labels >= 0).any())
        shapes = {(header.height, header.width) for header in self._headers}
        return Split(
            name=f"folder/{'train' if self._root == '.' else self._root}",
            size=len(self.paths),
            image_shape=shapes.pop() if len(shapes) == 1 else None,
            stream=_stream([self._file(parts) for parts in self.paths]),
            labels=labels if labelled else None,
            class_names=tuple(map(utf8, classes)) if labelled else None,
            file_names=tuple(map(self._name, self.paths)),
            skipped=self._skipped,
        )

    def deep_files(self) -> list[str]:
        """The files whose grey values have more than 8 bits."""
        return [
            self._file(parts)
            for parts, header in zip(self.paths, self._headers, strict=True)
            if header.is_deep
        ]

    def _name(self, parts: Parts) -> str:
        return os.path.normpath(os.path.join(self._root, *parts))

    def _file(self, parts: Parts) -> str:
        return os.path.join(self._data_dir, self._name(parts))


def _none_found(place: str, skipped: Iterable[Skipped]) -> InputError:
    received = "; ".join(summaries(skipped)) or "none"
    return InputError(
        f"Expected images ({', '.join(image_endings.readable())}) in "
        f"{utf8(place)}. Received: {received}."
    )


def _class(parts: Parts) -> str | None:
    """The class that an image's path says, None where it lies loosely."""
    return composed(parts[0]) if len(parts) > 1 else None


def _classes(paths: Iterable[Parts]) -> list[str]:
    """The classes of some images, sorted."""
    return sorted({name for parts in paths if (name := _class(parts))})


def _labels(paths: Sequence[Parts], classes: Sequence[str]) -> np.ndarray:
    """The place of each path's class, int64 `[N]`; -1 for none."""
    label_of = {name: label for label, name in enumerate(classes)}
    labels = [label_of.get(_class(parts), -1) for parts in paths]
    return np.array(labels, np.int64)


def _inner_splits(splits: Iterable[Sequence[Parts]]) -> Iterator[str]:
    """Says where folders below the classes are called like splits."""
    inner = sorted({
        name
        for paths in splits
        for parts in paths
        for name in parts[1:-1]
        if split_folders.split_name(name)
    })  # fmt: skip
    kinds = {split_folders.split_name(name).kind for name in inner}
    if len(kinds) > 1:
        yield (
            f"{', '.join(utf8(name) for name in inner[:4])}: folders below "
            "classes, not told apart. Put the classes below the splits to "
            "have these as splits."
        )


def _narrow(deep_files: Sequence[str]) -> Iterator[str]:
    """Warns where grey values of 16 bits fill a small part of their range."""
    step = -(-len(deep_files) // _DEEP_SAMPLE) or 1
    sample = [image_file.largest_value(f) for f in deep_files[::step]]
    if sample and None not in sample and 0 < max(sample) < NARROW:
        yield (
            f"{len(deep_files):,} images have grey values of 16 bits, of "
            f"which {len(sample)} were looked at: none is above "
            f"{max(sample):,} of 65,535, so they are dark. If they come from "
            "a camera of fewer bits, scale them to 0..65,535 first."
        )


def _stream(files: list[str]) -> Stream:
    """Streams image files; their paths are what is shuffled."""
    table = np.array([os.fsencode(file) for file in files])

    def encoded(seed: Seed) -> tf.data.Dataset:
        return shuffled_numbers(len(files), seed).map(
            lambda number: (tf.gather(table, number), number)
        )

    def decode(path: tf.Tensor) -> tf.Tensor:
        image = tf.numpy_function(_pixels, [path], tf.uint8)
        return tf.ensure_shape(image, (None, None, 3))

    def identity() -> str | None:
        return decode_cache.identity(table.tolist())

    return Stream(encoded, decode, identity=identity)


def _pixels(path: bytes) -> np.ndarray:
    """Decodes an image file; an image of no pixels where that fails."""
    image = image_file.read_or_none(path)
    return np.zeros((0, 0, 3), np.uint8) if image is None else image
