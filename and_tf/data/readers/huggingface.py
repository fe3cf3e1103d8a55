"""Reads data sets of the Hugging Face hub, and those that `datasets` saved."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from and_tf.data import decode_cache
from and_tf.data.readers import manifest, opening
from and_tf.data.readers.reader import Reader
from and_tf.data.readers.splits import choose, image_data, listed
from and_tf.data.request import Request
from and_tf.data.split import ImageData
from and_tf.data.walking import Refused
from and_tf.utils.dataset_names import HUB
from and_tf.utils.errors import InputError
from and_tf.utils.reasons import reason

_IMAGES = ("image", "img", "picture", "photo", "pixel_values", "jpg", "png")
_SAVED = ("dataset_dict.json", "state.json")
_LABELS = (*manifest.LABELS, "fine_label", "coarse_label")


class _Reader(Reader):
    """A reader of rows, of which only the images are read one by one.

    Args:
        rows: The rows, a `datasets.Dataset`.
        names: The name of each row.
        request: What the user asks for.
    """

    def __init__(self, rows: Any, names: list[str], request: Request) -> None:
        import datasets

        self.names = names
        image = _image_column(rows, request)
        label = _label_column(rows, image, request)
        if label:
            self.labels = list(rows.with_format(None)[label])
            feature = rows.features[label]
            self.class_names = getattr(feature, "names", None)
        self._image = image
        rows = rows.select_columns([image])
        if isinstance(rows.features[image], datasets.Image):
            rows = rows.cast_column(image, datasets.Image(decode=False))
        # Of numbers, Python's own would take long and forget their type.
        self._are_numbers = _are_numbers(rows, image)
        self._rows = rows.with_format("arrow" if self._are_numbers else None)
        self._files = [file["filename"] for file in rows.cache_files]

    def read(self, number: int) -> bytes | np.ndarray:
        value = self._rows[number][self._image]
        if self._are_numbers:
            return _array(value.combine_chunks())
        if value is None:
            raise Refused("without an image")
        if isinstance(value, dict):
            if value.get("bytes") is not None:
                return value["bytes"]
            return opening.read_file(value["path"])
        return value

    def identity(self) -> str | None:
        if not self._files:
            return None
        files = map(os.fsencode, self._files)
        more = ("arrays",) if self._are_numbers else ()
        return decode_cache.identity(files, self._image, self.names, *more)


def load(request: Request) -> ImageData:
    """Makes streamed splits of a data set.

    Raises:
        InputError: If the package is missing, or there is no such data set,
            split or column.
    """
    try:
        import datasets
    except ImportError as error:
        raise InputError(
            f"Expected the package datasets, to read --dataset="
            f"{request.dataset}. Received: {error}. Install the extra data: "
            "pip install '.[data]'."
        ) from error
    found = _open(request, datasets)
    names = list(found)
    for wanted in (request.train_split, request.test_split):
        if wanted and wanted not in names:
            names.append(wanted)
    choose(names, request)
    readers = {
        name: functools.partial(_rows, name, found, request) for name in names
    }
    return image_data(request, readers)


def _open(request: Request, datasets: Any) -> Mapping[str, Any]:
    """Opens a data set; returns its splits by their names.

    Raises:
        InputError: If it cannot be opened.
    """
    name, place = request.dataset, request.data_dir or ""
    try:
        if name.startswith(HUB):
            path, _, config = name.removeprefix(HUB).partition(":")
            found = datasets.load_dataset(
                path, config or None, cache_dir=place or None
            )
        elif any(os.path.exists(os.path.join(place, n)) for n in _SAVED):
            found = datasets.load_from_disk(place)
        else:
            if not os.path.isdir(place):
                raise FileNotFoundError("it is no directory")
            found = datasets.load_dataset(place)
    # Each of its builders, and the network, raises errors of its own.
    except Exception as error:
        raise InputError(
            f"Expected a data set that `datasets` opens as --dataset={name}"
            f"{f' --data_dir={place}' if place else ''}. Received: "
            f"{reason(error, kind=True)}. Give its name on the hub behind "
            f"{HUB}, or the directory that save_to_disk wrote."
        ) from error
    if not isinstance(found, Mapping):
        found = {str(found.split or "train"): found}
    if not found:
        raise InputError(f"Expected splits in {place or name}. Received none.")
    return found


def _rows(name: str, found: Mapping[str, Any], request: Request) -> _Reader:
    """Reads a split, or a part or sum of splits such as "train[:10%]".

    Raises:
        InputError: If there is no such split.
    """
    import datasets

    lengths = {split: len(rows) for split, rows in found.items()}
    try:
        parts = datasets.ReadInstruction.from_spec(name).to_absolute(lengths)
    except (ValueError, AssertionError, KeyError) as error:
        raise InputError(
            f"Expected a split of {request.dataset}: {listed(found)}, or a "
            f"part or a sum of them such as train[:10%]. Received: {name!r}."
        ) from error
    ranges = [
        (part.splitname, part.from_ or 0, lengths[part.splitname]
         if part.to is None else part.to)
        for part in parts
    ]  # fmt: skip
    names = [
        f"{split}/{row}"
        for split, first, end in ranges
        for row in range(first, end)
    ]
    selected = [found[s].select(range(first, end)) for s, first, end in ranges]
    whole = datasets.concatenate_datasets(selected)
    return _Reader(whole, names, request)


def _image_column(rows: Any, request: Request) -> str:
    """Returns the column of images.

    Raises:
        InputError: If there is none, or not the one that is asked for.
    """
    import datasets

    names = list(rows.features)
    if request.image_key:
        key = _there("image_key", request.image_key, names)
        return _checked(rows, key)
    typed = _of_type(rows, datasets.Image)
    typed = typed or _of_type(rows, datasets.Array2D, datasets.Array3D)
    column = manifest.find(typed or names, _IMAGES)
    column = column or (typed[0] if len(typed) == 1 else "")
    if not column:
        raise InputError(
            f"Expected a column of images in {request.dataset}. Received: "
            f"{listed(names)}. Name it with --image_key."
        )
    return _checked(rows, column)


def _checked(rows: Any, column: str) -> str:
    """Returns a column if it may hold images.

    Raises:
        InputError: If it does not.
    """
    import pyarrow as pa

    kind = rows.features.arrow_schema.field(column).type
    fields = set(kind.names) if pa.types.is_struct(kind) else set()
    is_file = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    if not (
        is_file or fields & {"bytes", "path"} or _are_numbers(rows, column)
    ):
        raise InputError(
            "Expected a column of images: of the type Image, of the bytes of "
            "image files, or of arrays [H, W, C] or [H, W] of numbers. "
            f"Received: {column}, {rows.features[column]}. Name another one "
            "with --image_key."
        )
    return column


def _are_numbers(rows: Any, column: str) -> bool:
    """Returns whether a column holds arrays [H, W, C] or [H, W] of numbers."""
    import pyarrow as pa

    kind, depth = rows.features.arrow_schema.field(column).type, 0
    kind = getattr(kind, "storage_type", kind)
    while hasattr(kind, "value_type"):
        kind, depth = kind.value_type, depth + 1
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return depth in (2, 3) and (numbers or pa.types.is_boolean(kind))


def _array(column: Any) -> np.ndarray:
    """Returns the only array of a column of Arrow's lists of lists.

    Args:
        column: A column of one row.

    Raises:
        Refused: If it is missing, or its rows differ in their lengths.
    """
    shape: list[int] = []
    values = getattr(column, "storage", column)
    while hasattr(values.type, "value_type"):
        if values.null_count:
            raise Refused("without an image")
        lengths = np.unique(values.value_lengths())
        if len(lengths) != 1:
            raise Refused("of rows of different lengths")
        shape.append(int(lengths[0]))
        values = values.flatten()
    if values.null_count:
        raise Refused("with values that are missing")
    found = values.to_numpy(zero_copy_only=False).reshape(shape)
    # Lists of Python's numbers are of 64 bits, whatever their values.
    if found.dtype.kind in "iu" and found.dtype.itemsize > 2 and found.size:
        if 0 <= found.min() and found.max() <= 255:
            return found.astype(np.uint8)
    return found


def _label_column(rows: Any, image: str, request: Request) -> str:
    """Returns the column of labels, "" if there is none.

    Raises:
        InputError: If the one that is asked for is not there.
    """
    import datasets

    names = [name for name in rows.features if name != image]
    if request.label_key:
        return _there("label_key", request.label_key, names)
    typed = _of_type(rows, datasets.ClassLabel)
    found = manifest.find(names, _LABELS)
    return found or (typed[0] if len(typed) == 1 else "")


def _of_type(rows: Any, *kinds: type) -> list[str]:
    return [name for name, f in rows.features.items() if isinstance(f, kinds)]


def _there(flag: str, key: str, names: list[str]) -> str:
    if key not in names:
        raise InputError(
            f"Expected --{flag} to be a column: {listed(names)}. Received: "
            f"{key!r}."
        )
    return key
