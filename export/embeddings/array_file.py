"""Streams the images of an .npz file without holding all of them in memory."""

from __future__ import annotations

import math
import os
import pathlib
import zipfile
from collections.abc import Iterator
from typing import IO

import numpy as np
import tensorflow as tf

from and_tf.data.pixel_budget import MOST_PIXELS
from and_tf.data.pixel_format import RGB, PixelFormat, fitting
from and_tf.data.readers.arrays import Header, read_header
from and_tf.data.split import Seed, Split, Stream
from and_tf.utils import archives
from and_tf.utils.errors import InputError

KEY = "images"
_CHUNK_BYTES = 4 * 2**20
_PLACE = f"as the array {KEY!r} or as the only one of that rank"


def read(path: str | os.PathLike[str], form: PixelFormat = RGB) -> Split:
    """Makes a streamed split of an .npz file, which can be read in order only.

    Args:
        path: The file. It holds `images`, uint8 [N, H, W, 3], or grey as
            [N, H, W, 1] or [N, H, W]. It may also hold `labels`, integer [N],
            `class_names`, one text per class, and `file_names`, text [N].
        form: The channels that are read, and what their values mean. Images
            may be [N, H, W, C] and, with a range, of any type of numbers.

    Raises:
        InputError: If the file cannot be read or holds other arrays.
    """
    path = pathlib.Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            headers = {
                name.removesuffix(".npy"): _peek(archive, name)
                for name in archive.namelist()
                if name.endswith(".npy")
            }
    except archives.DAMAGE as error:
        raise InputError(
            f"Expected {path} to be an .npz file that is whole. Received: "
            f"{archives.why(error)}."
        ) from error
    key = _key(headers, path, form)
    header = headers[key]
    _check(header, key, path, form)
    size, height, width = header.shape[:3]
    labels = _labels(path, headers, size)
    class_names = None
    if labels is not None:
        least = max(int(labels.max()) + 1, 0)
        class_names = _texts(path, headers, "class_names", least)
    return Split(
        name=path.name,
        size=size,
        image_shape=(height, width),
        stream=_stream(path, key, header, form),
        labels=labels,
        class_names=class_names,
        file_names=_texts(path, headers, "file_names", size),
        channels=form.channels,
    )


def chunks(
    path: pathlib.Path, key: str, header: Header
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Reads some images at a time, from first to last.

    Args:
        path: The .npz file.
        key: Name of the array of images.
        header: The header of that array.

    Yields:
        The images, [m, H, W, C] of the array's type, and their numbers, int64
        [m].
    """
    shape = (*header.shape[1:3], *(header.shape[3:] or (1,)))
    image_bytes = math.prod(shape) * header.dtype.itemsize
    step = max(1, _CHUNK_BYTES // image_bytes)
    with zipfile.ZipFile(path) as archive, _member(archive, key) as file:
        read_header(file)
        for first in range(0, header.shape[0], step):
            count = min(step, header.shape[0] - first)
            data = file.read(count * image_bytes)
            if len(data) < count * image_bytes:
                raise ValueError(f"{path} ends within its array {key!r}")
            images = np.frombuffer(data, header.dtype).reshape(count, *shape)
            yield images, np.arange(first, first + count)


def _stream(
    path: pathlib.Path, key: str, header: Header, form: PixelFormat
) -> Stream:
    channels = (header.shape[3:] or (1,))[0]
    shape = (*header.shape[1:3], channels)
    signature = (
        tf.TensorSpec([None, *shape], header.dtype),
        tf.TensorSpec([None], tf.int64),
    )

    def encoded(seed: Seed) -> tf.data.Dataset:
        if seed is not None:
            raise ValueError("Expected no seed: a zip file is read in order.")
        return tf.data.Dataset.from_generator(
            lambda: chunks(path, key, header), output_signature=signature
        ).unbatch()

    def decode(image: tf.Tensor) -> tf.Tensor:
        image = tf.ensure_shape(image, shape)
        if form.usual:
            return tf.image.grayscale_to_rgb(image) if channels == 1 else image
        levels = tf.numpy_function(
            lambda values: form.levels(fitting(values, form.channels)),
            [image],
            tf.uint8,
        )
        return tf.ensure_shape(levels, (*shape[:2], form.channels))

    return Stream(encoded, decode)


def _member(archive: zipfile.ZipFile, key: str) -> IO[bytes]:
    return archive.open(f"{key}.npy")


def _peek(archive: zipfile.ZipFile, name: str) -> Header:
    with archive.open(name) as file:
        return read_header(file)


def _key(
    headers: dict[str, Header], path: pathlib.Path, form: PixelFormat
) -> str:
    """Returns the name of the array that holds the images."""
    if KEY in headers:
        return KEY
    for rank in (4, 3):
        found = [k for k, h in headers.items() if len(h.shape) == rank]
        if len(found) == 1:
            return found[0]
        if found:
            break
    arrays = [f"{k} {list(h.shape)}" for k, h in headers.items()]
    raise InputError(
        f"Expected {_expected(form)}, {_PLACE} in {path}. Received: "
        f"{', '.join(arrays) or 'no array'}."
    )


def _check(
    header: Header, key: str, path: pathlib.Path, form: PixelFormat
) -> None:
    rank = len(header.shape)
    fits = (1, 3) if form.channels in (1, 3) else (form.channels,)
    shaped = rank == 3 and 1 in fits or rank == 4 and header.shape[3] in fits
    typed = header.dtype == np.uint8 or (
        form.ranged and header.dtype.kind in "uif"
    )
    if not shaped or not typed or 0 in header.shape:
        raise InputError(
            f"Expected {_expected(form)}, {_PLACE} in {path}. Received: "
            f"{key}, {header.dtype} {list(header.shape)}."
        )
    if math.prod(header.shape[1:3]) > MOST_PIXELS:
        raise InputError(
            f"Expected images of at most {MOST_PIXELS:,} pixels in {path}. "
            f"Received: {key} {list(header.shape)}."
        )
    if header.fortran and math.prod(header.shape) > max(header.shape):
        raise InputError(
            f"Expected {key} in {path} image after image (C order). Received: "
            "Fortran order. Save numpy.ascontiguousarray of it."
        )


def _expected(form: PixelFormat) -> str:
    """Describes the images that a model takes."""
    numbers = "images of numbers" if form.ranged else "uint8 images"
    if form.channels not in (1, 3):
        return f"{numbers} [N, H, W, {form.channels}] for this model"
    return f"{numbers} [N, H, W, 3], or grey [N, H, W, 1] or [N, H, W]"


def _labels(
    path: pathlib.Path, headers: dict[str, Header], size: int
) -> np.ndarray | None:
    """Reads the labels, int64 [N]; None if the file has none."""
    if "labels" not in headers:
        return None
    labels = _small_array(path, "labels")
    if labels.shape != (size,) or labels.dtype.kind not in "iu":
        raise InputError(
            f"Expected labels, integers [{size}], in {path}. Received: "
            f"{labels.dtype} {list(labels.shape)}."
        )
    return labels.astype(np.int64)


def _texts(
    path: pathlib.Path, headers: dict[str, Header], key: str, least: int = 0
) -> tuple[str, ...] | None:
    """Reads an array of at least `least` texts; None if there is no array."""
    if key not in headers:
        return None
    array = _small_array(path, key)
    if array.ndim != 1 or array.dtype.kind not in "SU" or len(array) < least:
        raise InputError(
            f"Expected {key}, {least} texts or more, in {path}. Received: "
            f"{array.dtype} {list(array.shape)}."
        )
    return tuple(map(_text, array.tolist()))


def _small_array(path: pathlib.Path, key: str) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as data:
            return data[key]
    except archives.DAMAGE as error:
        raise InputError(
            f"Expected {key} in {path} as an array of numbers or texts. "
            f"Received: {archives.why(error)}."
        ) from error


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
