"""Opens what --images names: a folder, files, an array or a split."""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import os
from collections.abc import Callable, Sequence

import numpy as np

from and_tf import data, storage
from and_tf.data import folder, image_endings
from and_tf.data.image_file import read_or_none
from and_tf.data.pixel_format import RGB, PixelFormat
from and_tf.data.split import Split, take
from and_tf.data.tfds_records import Records
from and_tf.data.walking import utf8
from and_tf.utils import paths
from and_tf.utils.errors import InputError
from and_tf.utils.pictures import picture
from export.embeddings import array_file

TFDS = "tfds:"
DATA = "data:"
KINDS = (
    "a folder, an image file, a quoted pattern such as 'photos/**/*.jpg', an "
    ".npz file, tfds:<data set>/<split> or data:<kind>/<split>"
)


@dataclasses.dataclass(frozen=True)
class Source:
    """Images to embed, with their names.

    Attributes:
        images: The value of --images.
        root: The directory that file names are relative to; for an array, the
            path of its file; "" for TFDS and readers.
        split: The images.
        files: All files that are read.
        name: A function from an image's number to its name. Bytes that are
            not UTF-8 are escaped, because not every table could hold them.
        data_dir: The value of --data_dir, absolute; "" if none was given.
        label_key: The value of --label_key.
        image_key: The value of --image_key.
        state: A text that changes with the images that a reader reads.
    """

    images: str
    root: str
    split: Split
    files: Sequence[str]
    name: Callable[[int], str]
    data_dir: str = ""
    label_key: str = ""
    image_key: str = ""
    state: str = ""

    def listing(self) -> str:
        """Computes SHA-256 of all names, file sizes and modification times."""
        total = hashlib.sha256(self.state.encode())
        for number in range(self.split.size):
            total.update(f"{self.name(number)}\n".encode())
        for file in self.files:
            total.update(f"{_state(file)}\n".encode())
        return total.hexdigest()


def open_source(
    images: str,
    data_dir: str = "",
    label_key: str = "",
    image_key: str = "",
    form: PixelFormat = RGB,
) -> Source:
    """Finds images without decoding them.

    Args:
        images: A folder, whose sub-folders are classes; an image file; the
            URL of one of these, which is fetched; a pattern, in which `**`
            stands for any folders; an .npz file;
            "tfds:cifar10/test", which may end in a slice; or
            "data:manifest/test", a kind of data with its split.
        data_dir: Directory where TFDS keeps its data sets, "" is its default;
            or what a kind of data wants there.
        label_key: The label to use, where a data set has several.
        image_key: The images to use, where a data set has several.
        form: The channels that are read, and what their values mean.

    Raises:
        InputError: If there are no such images.
    """
    if paths.is_url(images):
        images = storage.fetched(images)
    if images.startswith(TFDS):
        return _from_tfds(images, data_dir, label_key, form)
    if images.startswith(DATA):
        return _from_reader(images, data_dir, label_key, image_key, form)
    for flag, key in (("label_key", label_key), ("image_key", image_key)):
        if key:
            raise InputError(
                f"Expected --{flag} with --images={TFDS}… or {DATA}… alone. "
                f"Received: --images={images} --{flag}={key}. Leave it out."
            )
    if os.path.isdir(images):
        return _of_files(images, folder.read_all(images, form))
    if os.path.isfile(images):
        if images.endswith(".npz"):
            return _from_array(images, form)
        split = folder.read_files(images, [images], form=form)
        return _of_files(images, split)
    if not glob.has_magic(images):
        raise InputError(
            f"Expected --images to name {KINDS}. Received: {images!r}, which "
            "is not there."
        )
    found = sorted(
        path
        for path in glob.glob(images, recursive=True)
        if image_endings.is_readable(path) and os.path.isfile(path)
    )
    split = folder.read_files(images, found, form=form)
    return _of_files(images, split)


def pictures(
    images: str,
    root: str,
    data_dir: str,
    names: Sequence[str],
    image_key: str = "",
    form: PixelFormat = RGB,
) -> list[np.ndarray | None]:
    """Reads some images again, by the names that their source gave them.

    Args:
        images: The value of --images at that time.
        root: `root` of the source.
        data_dir: `data_dir` of the source.
        names: The names of m images.
        image_key: `image_key` of the source.
        form: The channels that are read, and what their values mean.

    Returns:
        m pictures, each uint8 [H, W, 3], or None if it cannot be read.

    Raises:
        InputError: If the source no longer exists.
    """
    found = _images(images, root, data_dir, names, image_key, form)
    return [None if image is None else picture(image) for image in found]


def _images(
    images: str,
    root: str,
    data_dir: str,
    names: Sequence[str],
    image_key: str,
    form: PixelFormat,
) -> list[np.ndarray | None]:
    """Reads images for `pictures`, each uint8 [H, W, C]."""
    if images.startswith(TFDS):
        split = _from_tfds(images, data_dir, "", form, prepared=True).split
        return _by_number(split, [_number(name) for name in names])
    if images.startswith(DATA):
        source = _from_reader(images, data_dir, "", image_key, form)
        return _by_name(source.split, names)
    if images.endswith(".npz"):
        split = array_file.read(root, form)
        if split.file_names is None:
            return _by_number(split, [_number(name) for name in names])
        return _by_name(split, names)
    paths = (os.path.join(root, name) for name in names)
    return [read_or_none(path, form) for path in paths]


def root_of(images: str) -> str:
    """Returns the path that the names of images are relative to.

    Args:
        images: A value of --images.

    Returns:
        The folder; the file of an array; "" for TFDS and readers; otherwise
        the working directory.
    """
    if images.startswith((TFDS, DATA)):
        return ""
    if os.path.isdir(images) or images.endswith(".npz"):
        return os.path.abspath(images)
    return os.getcwd()


def _from_tfds(
    images: str,
    data_dir: str,
    label_key: str,
    form: PixelFormat,
    prepared: bool = False,
) -> Source:
    data_set, _, split_name = images.removeprefix(TFDS).rpartition("/")
    if not data_set or not split_name:
        raise InputError(
            f"Expected --images={TFDS}<data set>/<split>, such as "
            f"{TFDS}cifar10/test. Received: {images}."
        )
    split = data.read_tfds_split(
        data_set,
        split_name,
        data_dir or None,
        label_key,
        prepared=prepared,
        form=form,
    )
    if form.ranged and split.encoded_stream.values is None:
        raise InputError(
            f"Expected images of more than 8 bits for a model of a value range."
            f" Received: --images={images}, whose images have 8."
        )
    records = split.encoded_stream.encoded
    assert isinstance(records, Records)
    files = [os.fsdecode(file) for file in records.files]
    name = _numbered(split.name)
    place = _absolute(data_dir)
    return Source(images, "", split, files, name, place, label_key)


def _from_reader(
    images: str,
    data_dir: str,
    label_key: str,
    image_key: str,
    form: PixelFormat,
) -> Source:
    """Opens a split of a data set of files.

    Raises:
        InputError: If there is no such split, or its images have no names.
    """
    dataset, _, split_name = images.removeprefix(DATA).rpartition("/")
    if not dataset or not split_name:
        raise InputError(
            f"Expected --images={DATA}<kind>/<split>, such as "
            f"{DATA}manifest/test with --data_dir. Received: {images}."
        )
    usual = split_name in ("train", "test")
    found = data.find(
        data.Request(
            dataset=dataset,
            data_dir=data_dir or None,
            label_key=label_key,
            image_key=image_key,
            train_split="" if usual else split_name,
            form=form,
        )
    )
    split = found.test if split_name == "test" else found.train
    if split is None or split.file_names is None:
        raise InputError(
            f"Expected a split of images with names as --images={images}. "
            f"Received: {'none' if split is None else split.name}. Name "
            f"another split, or a data set of TFDS by {TFDS}."
        )
    place = _absolute(data_dir)
    state = split.encoded_stream.identity() or ""
    name = _named(split.file_names)
    return Source(
        images, "", split, (), name, place, label_key, image_key, state
    )


def _from_array(images: str, form: PixelFormat) -> Source:
    split = array_file.read(images, form)
    name = _numbered(split.name)
    if split.file_names is not None:
        name = _named(split.file_names)
    return Source(images, root_of(images), split, [images], name)


def _absolute(data_dir: str) -> str:
    """Returns --data_dir for other working directories; a URL stays so."""
    if not data_dir or paths.is_url(data_dir):
        return data_dir
    return os.path.abspath(data_dir)


def _of_files(images: str, split: Split) -> Source:
    assert split.file_names is not None
    root = root_of(images)
    files = [os.path.join(root, name) for name in split.file_names]
    return Source(images, root, split, files, _named(split.file_names))


def _by_name(split: Split, names: Sequence[str]) -> list[np.ndarray | None]:
    """Decodes some images of a split; None for names that it lacks."""
    assert split.file_names is not None
    number_of = {utf8(n): i for i, n in enumerate(split.file_names)}
    return _by_number(split, [number_of.get(name, -1) for name in names])


def _named(names: Sequence[str]) -> Callable[[int], str]:
    return lambda number: utf8(names[number])


def _numbered(prefix: str) -> Callable[[int], str]:
    return lambda number: f"{prefix}:{number}"


def _number(name: str) -> int:
    """Returns the number at the end of a name; -1 if there is none."""
    number = name.rpartition(":")[2]
    return int(number) if number.isdecimal() else -1


def _state(file: str) -> str:
    try:
        stat = os.stat(file)
    except OSError:
        return utf8(f"{file} gone")
    return utf8(f"{file} {stat.st_size} {stat.st_mtime_ns}")


def _by_number(split: Split, numbers: Sequence[int]) -> list[np.ndarray | None]:
    """Decodes some images of a split; None for numbers that it lacks."""
    wanted = [n for n in set(numbers) if 0 <= n < split.size]
    chosen = np.array(sorted(wanted), np.int64)
    if not len(chosen):
        return [None] * len(numbers)
    found = take(split, chosen).stream(None).take(len(chosen))
    images = [image.numpy() for image, _ in found]
    by_number = dict(zip(chosen.tolist(), images, strict=True))
    return [by_number.get(number) for number in numbers]
