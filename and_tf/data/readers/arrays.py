"""Reads images and labels that are NumPy arrays, in .npy and .npz files.

What is not compressed is mapped into memory, so that only the images that are
looked at are read.
"""

from __future__ import annotations

import functools
import math
import os
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, NamedTuple

import numpy as np

from and_tf.data import decode_cache
from and_tf.data.pixel_budget import MOST_PIXELS
from and_tf.data.readers import opening
from and_tf.data.readers.reader import Reader
from and_tf.data.readers.splits import image_data, kind_of, listed
from and_tf.data.request import Request
from and_tf.data.split import ImageData
from and_tf.utils import archives
from and_tf.utils.errors import InputError

WANTED = "an .npy or .npz file of arrays"
_EXPECTED = "uint8 [N, H, W, 3], or grey as [N, H, W, 1] or [N, H, W]"
_IMAGES = ("images", "image", "x", "data", "features")
_LABELS = ("labels", "label", "y", "targets", "target", "classes", "class")
_NAMES = ("file_names", "names", "ids")
_CLASS_NAMES = ("class_names", "label_names")
# An array of more bytes that packs better is blank: a decompression bomb.
_LARGE = 2**28
_MOST_RATIO = 100


class Header(NamedTuple):
    """The header of an array in a file.

    Attributes:
        shape: The shape of the array.
        fortran: Whether the array is stored in Fortran order.
        dtype: The data type of the array.
    """

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype


class Array(NamedTuple):
    """An array in a file.

    Attributes:
        header: Its header.
        load: Returns its values, mapped into memory if possible.
        file: The path of its file.
    """

    header: Header
    load: Callable[[], np.ndarray]
    file: str


def read_header(file: IO[bytes]) -> Header:
    """Reads the header of an .npy file or of an .npz file's member.

    Raises:
        archives.DAMAGE: If it is damaged.
    """
    version = np.lib.format.read_magic(file)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    return Header(*read(file))


class _Reader(Reader):
    """A reader of an array of images."""

    def __init__(
        self,
        key: str,
        images: Array,
        labels: Array | None,
        more: Mapping[str, Array],
    ) -> None:
        size, height, width = images.header.shape[:3]
        names = _texts(more, _NAMES, size)
        self.names = names or [f"{key}/{number}" for number in range(size)]
        self.image_shape = (height, width)
        self.class_names = None
        if labels is not None:
            self.labels = labels.load().reshape(-1).tolist()
            self.class_names = _texts(more, _CLASS_NAMES, 0)
        self._images, self._key = _values(images), key
        self._file = images.file

    def read(self, number: int) -> np.ndarray:
        return np.array(self._images[number])

    def identity(self) -> str | None:
        return decode_cache.identity([os.fsencode(self._file)], self._key)


def load(request: Request) -> ImageData:
    """Makes streamed splits of the arrays in a file or a directory.

    Names such as x_train, y_train, x_test and y_test, or images and labels,
    say which arrays are images and labels of which split.

    Raises:
        InputError: If there are no such arrays, or they have other types or
            shapes, are pickled, or end early.
    """
    arrays = _arrays(request.place)
    keys = _image_keys(arrays, request)
    if not keys:
        shown = [f"{k} {a.header.dtype} {list(a.header.shape)}"
                 for k, a in arrays.items()]  # fmt: skip
        raise InputError(
            f"Expected an array of images, {_EXPECTED}, in "
            f"{request.data_dir}. Received: {listed(shown)}. Name it with "
            "--image_key."
        )
    readers = {}
    for key in keys:
        split = kind_of(key) if kind_of(key) not in readers else key
        if key in (request.train_split, request.test_split):
            split = key
        labels = _labels_of(key, keys, arrays, request)
        more = {n: a for n, a in arrays.items() if kind_of(n) == kind_of(key)}
        more |= {n: a for n, a in arrays.items() if n in _CLASS_NAMES}
        _check_images(key, arrays[key], request)
        readers[split] = functools.partial(
            _Reader, key, arrays[key], labels, more
        )
    return image_data(request, readers)


def _arrays(path: str) -> dict[str, Array]:
    """Finds the arrays of a file or a directory, by name.

    Raises:
        InputError: If it is not there, or holds no array that can be read.
    """
    if os.path.isdir(path):
        files = opening.expand(os.path.join(glob_safe(path), "*.npy"))
        if not files:
            raise opening.refused(path, WANTED, "where there are none")
        stems = [os.path.splitext(os.path.basename(file))[0] for file in files]
        return dict(zip(stems, map(_npy, files), strict=True))
    opening.check_file(path, WANTED)
    with opening.opened(path) as file:
        head = file.read(6)
    if head.startswith(b"PK"):
        return _npz(path)
    return {os.path.splitext(os.path.basename(path))[0]: _npy(path)}


def glob_safe(path: str) -> str:
    """Escapes what a pattern would take for more than itself."""
    return re.sub(r"([*?[])", r"[\1]", path)


def _npy(path: str) -> Array:
    opening.check_file(path, WANTED)
    try:
        with opening.opened(path) as file:
            header = read_header(file)
            offset = file.tell()
    except archives.DAMAGE as error:
        raise opening.refused(path, WANTED, error) from error
    return Array(header, functools.partial(_map, path, header, offset), path)


def _npz(path: str) -> dict[str, Array]:
    found = {}
    try:
        with zipfile.ZipFile(opening.opened(path)) as archive:
            for info in archive.infolist():
                if info.filename.endswith(".npy"):
                    name = info.filename.removesuffix(".npy")
                    with archive.open(info) as member:
                        header = read_header(member)
                    read = functools.partial(_member, path, info, header)
                    found[name] = Array(header, read, path)
    except archives.DAMAGE as error:
        raise opening.refused(path, WANTED, error) from error
    return found


def _member(path: str, info: zipfile.ZipInfo, header: Header) -> np.ndarray:
    """Reads an array of an .npz file, or maps it if it is not compressed.

    Raises:
        archives.DAMAGE: If the file is damaged.
    """
    most = max(_LARGE, _MOST_RATIO * info.compress_size)
    if max(info.file_size, _bytes(header)) > most:
        raise ValueError(f"{info.filename} unpacks to too many bytes")
    if header.dtype.hasobject:
        raise ValueError(f"{info.filename} holds pickled objects")
    if info.compress_type == zipfile.ZIP_STORED:
        with opening.opened(path) as file:
            # The length of a name and that of the extra field, of its header.
            file.seek(info.header_offset + 26)
            lengths = np.frombuffer(file.read(4), "<u2")
            start = info.header_offset + 30 + int(lengths.sum())
            file.seek(start)
            found = read_header(file)
            if found == header:
                return _map(path, header, file.tell())
    with zipfile.ZipFile(opening.opened(path)) as archive:
        with archive.open(info) as member:
            return np.lib.format.read_array(member, allow_pickle=False)


def _map(path: str, header: Header, offset: int) -> np.ndarray:
    """Maps an array into memory.

    Raises:
        ValueError: If the file ends within the array, or it holds objects.
    """
    if header.dtype.hasobject:
        raise ValueError("it holds pickled objects")
    if offset + _bytes(header) > opening.size_of(path):
        raise ValueError(
            f"it ends within its array {header.dtype} {list(header.shape)}"
        )
    if not _bytes(header):
        return np.zeros(header.shape, header.dtype)
    return np.memmap(
        path,
        header.dtype,
        mode="r",
        offset=offset,
        shape=header.shape,
        order="F" if header.fortran else "C",
    )


def _bytes(header: Header) -> int:
    return header.dtype.itemsize * math.prod(header.shape)


def _values(array: Array) -> np.ndarray:
    """Returns the values of an array.

    Raises:
        InputError: If its file is damaged.
    """
    try:
        return array.load()
    except archives.DAMAGE as error:
        raise opening.refused(array.file, WANTED, error) from error


def base(key: str) -> str:
    """Returns a name without the word for a split: "x" for "x_train"."""
    words = [w for w in re.split(r"[_\W]+", key.lower()) if w]
    rest = [word for word in words if not kind_of(word)]
    return "_".join(rest) or "images"


def _image_keys(arrays: Mapping[str, Array], request: Request) -> list[str]:
    """Returns the names of the arrays of images.

    Raises:
        InputError: If one that is asked for is not there.
    """
    wanted = request.image_key
    if wanted:
        found = [key for key in arrays if wanted in (key, base(key))]
        if not found:
            raise InputError(
                f"Expected --image_key to be an array of {request.data_dir}: "
                f"{listed(arrays)}. Received: {wanted!r}."
            )
        return found
    shaped = [k for k, a in arrays.items() if len(a.header.shape) in (3, 4)]
    splits = (request.train_split, request.test_split)
    named = [key for key in shaped if base(key) in _IMAGES or key in splits]
    return named or (shaped if len(shaped) == 1 else [])


def _labels_of(
    key: str,
    image_keys: Sequence[str],
    arrays: Mapping[str, Array],
    request: Request,
) -> Array | None:
    """Finds the labels of an array of images; None if there are none.

    Raises:
        InputError: If those that are asked for are not there, or do not fit.
    """
    size = arrays[key].header.shape[0]
    alike = {
        name: array
        for name, array in arrays.items()
        if kind_of(name) == kind_of(key) and name not in image_keys
    }
    wanted = (request.label_key,) if request.label_key else _LABELS
    for label in wanted:
        for name, array in alike.items():
            if label in (name, base(name)):
                return _checked(name, array, size, request)
    if request.label_key and request.label_key not in {
        part for name in arrays for part in (name, base(name))
    }:
        raise InputError(
            f"Expected --label_key to be an array of {request.data_dir}: "
            f"{listed(arrays)}. Received: {request.label_key!r}."
        )
    return None


def _checked(name: str, array: Array, size: int, request: Request) -> Array:
    """Checks that labels are one for each image.

    Raises:
        InputError: If they are not.
    """
    shape, dtype = array.header.shape, array.header.dtype
    if shape not in ((size,), (size, 1)) or dtype.kind not in "iubUS":
        raise InputError(
            f"Expected labels as integers or texts [{size}] in "
            f"{request.data_dir}. Received: {name} {dtype} {list(shape)}. "
            "Name another array with --label_key."
        )
    return array._replace(load=functools.partial(_values, array))


def _check_images(key: str, array: Array, request: Request) -> None:
    """Checks the type and shape of images.

    Raises:
        InputError: If they are not as expected.
    """
    shape, fortran, dtype = array.header
    channels = request.form.channels
    shaped = len(shape) == 3 or (
        len(shape) == 4 and shape[3] in (1, 3, channels)
    )
    ranged = request.form.ranged or channels != 3
    typed = dtype == np.uint8 or ranged and dtype.kind in "uif"
    if not shaped or not typed or 0 in shape:
        raise InputError(
            f"Expected images, {_EXPECTED}, in {request.data_dir}; or "
            "[N, H, W, C] with --channels=C, and other numbers with "
            f"--pixel_range. Received: {key}, {dtype} {list(shape)}."
        )
    if shape[1] * shape[2] > MOST_PIXELS or shape[0] > opening.MOST_ROWS:
        raise InputError(
            f"Expected at most {opening.MOST_ROWS:,} images of at most "
            f"{MOST_PIXELS:,} pixels in {request.data_dir}. Received: {key} "
            f"{list(shape)}."
        )
    if fortran and math.prod(shape) > max(shape):
        raise InputError(
            f"Expected {key} in {request.data_dir} image after image (C "
            "order). Received: Fortran order. Save numpy.ascontiguousarray of "
            "it."
        )
    _values(array)  # It is only mapped, and its length is compared.


def _texts(
    arrays: Mapping[str, Array], names: Sequence[str], size: int
) -> list[str] | None:
    """Reads an array of texts by one of some names; None if there is none.

    Args:
        arrays: All arrays.
        names: The names that it may have.
        size: The number of texts that there have to be; 0 takes any.
    """
    for name, array in arrays.items():
        shape = array.header.shape
        if name in names or base(name) in names:
            fits = len(shape) == 1 and (not size or shape[0] == size)
            if fits and array.header.dtype.kind in "US":
                values: list[Any] = _values(array).tolist()
                return [
                    v if isinstance(v, str) else v.decode("utf-8", "replace")
                    for v in values
                ]
    return None
