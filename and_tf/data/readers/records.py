"""Reads TFRecord and ArrayRecord files whose records are `tf.train.Example`."""

from __future__ import annotations

import concurrent.futures
import functools
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from and_tf.data import decode_cache, image_file
from and_tf.data.pixel_format import PixelFormat
from and_tf.data.readers import record_files, shards
from and_tf.data.readers.keeping import kept
from and_tf.data.readers.reader import Reader
from and_tf.data.readers.splits import image_data, listed
from and_tf.data.request import Request
from and_tf.data.split import ImageData
from and_tf.data.walking import UNREADABLE, Refused
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted

# Features, in the order in which they are looked for.
_IMAGES = (
    "image/encoded", "image", "image_raw", "encoded", "img", "picture", "jpeg",
    "png",
)  # fmt: skip
_LABELS = (
    "image/class/label", "label", "class", "class/label", "image/label",
    "target", "image/class/text",
)  # fmt: skip
_LOOKED_AT = 8  # Records whose features are looked at.
_AT_ONCE = 4096
Label = int | float | str | None


class _Reader(Reader):
    """A reader of the records of some files."""

    def __init__(
        self, found: shards.Shards, split: str, request: Request
    ) -> None:
        self._paths = found[split]
        self._files = [
            record_files.opened(path, request.dataset) for path in self._paths
        ]
        names = found.names(split)
        self.names = [
            f"{name}__{number}"
            for name, file in zip(names, self._files, strict=True)
            for number in range(file.size)
        ]
        self._ends = np.cumsum([file.size for file in self._files])
        self._image_key = ""
        if self.names:
            features = self._features()
            self._image_key = _image_key(features, request)
            label_key = _label_key(features, self._image_key, request)
            if label_key:
                self.labels = self._labels(label_key)

    def read(self, number: int) -> bytes:
        values = self._example(number)[self._image_key].bytes_list.value
        if not values:
            raise Refused("without an image")
        return values[0]

    def identity(self) -> str | None:
        paths = (path.encode(errors="surrogateescape") for path in self._paths)
        return decode_cache.identity(paths, "records", self._image_key)

    def _example(self, number: int) -> Any:
        """Returns the features of a record."""
        file = int(np.searchsorted(self._ends, number, side="right"))
        first = int(self._ends[file]) - self._files[file].size
        record = self._files[file].get(number - first)
        return tf.train.Example.FromString(record).features.feature

    def _features(self) -> dict[str, Any]:
        """Returns the features of the first records that are Examples.

        Raises:
            InputError: If there are none.
        """
        found: dict[str, Any] = {}
        for number in range(min(_LOOKED_AT, len(self.names))):
            try:
                found = {**self._example(number), **found}
            except Exception:  # Of protobuf's or the file's own kinds.
                continue
        if not found:
            raise InputError(
                "Expected records that are a tf.train.Example in "
                f"{self._paths[0]}. Received: others. Write a reader for them "
                "and name it by --dataset=module:function."
            )
        return found

    def _labels(self, key: str) -> list[Label]:
        """Reads all labels, from the cache if they are there.

        A record that cannot be read has none.

        Raises:
            InputError: If an Example has several.
        """
        compute = functools.partial(self._read_labels, key)
        return kept(self._paths, ("labels", key), list[Label], compute)

    def _read_labels(self, key: str) -> list[Label]:
        labels: list[Label] = []
        size = len(self.names)
        with (
            concurrent.futures.ThreadPoolExecutor() as pool,
            Counted("read labels", size) as progress,
        ):
            for first in range(0, size, _AT_ONCE):
                numbers = range(first, min(first + _AT_ONCE, size))
                labels += pool.map(lambda n: self._label(n, key), numbers)
                if size > _AT_ONCE:
                    progress.advance(len(numbers))
        return labels

    def _label(self, number: int, key: str) -> Label:
        try:
            values = _values(self._example(number)[key])
        except Exception:  # The image cannot be read either.
            return None
        if len(values) > 1:
            raise InputError(
                f"Expected one label in each Example. Received: {len(values)} "
                f"in the feature {key} of {self.names[number]}. Name another "
                "with --label_key."
            )
        label = values[0] if len(values) else None
        if isinstance(label, bytes):
            return label.decode("utf-8", "backslashreplace")
        return label


def load(request: Request) -> ImageData:
    """Makes streamed splits of files of records, which are indexed once.

    Raises:
        InputError: If there is no file, or one is damaged, compressed or
            without images.
    """
    found = shards.find(request, record_files.ENDINGS[request.dataset])
    readers = {
        name: functools.partial(_Reader, found, name, request) for name in found
    }
    return image_data(request, readers)


def _values(feature: Any) -> Sequence[Any]:
    kind = feature.WhichOneof("kind")
    return getattr(feature, kind).value if kind else ()


def _image_key(features: dict[str, Any], request: Request) -> str:
    """Returns the feature with the image.

    Raises:
        InputError: If there is none, or not the one that is asked for.
    """
    if request.image_key:
        key = _there("image_key", request.image_key, features)
        kind = features[key].WhichOneof("kind")
        if kind not in (None, "bytes_list"):
            raise InputError(
                "Expected --image_key to be a feature of the bytes of an image "
                f"file. Received: {key}, a {kind} of numbers. Name another, "
                "or write a reader that makes arrays of them, and name it by "
                "--dataset=module:function."
            )
        return key
    texts = [k for k, f in features.items() if f.HasField("bytes_list")]
    for key in _IMAGES:
        if key in texts:
            return key
    form = request.form
    found = [key for key in sorted(texts) if _is_image(features[key], form)]
    if len(found) != 1:
        raise InputError(
            "Expected a feature with an image, such as "
            f"{', '.join(_IMAGES[:3])}. Received: {listed(sorted(features))}. "
            "Name it with --image_key."
        )
    return found[0]


def _is_image(feature: Any, form: PixelFormat) -> bool:
    """Returns whether it holds an image, perhaps one of other channels."""
    values = feature.bytes_list.value
    if not values:
        return False
    header = image_file.read_header(io.BytesIO(values[0]), form)
    return header != UNREADABLE


def _label_key(
    features: dict[str, Any], image_key: str, request: Request
) -> str:
    """Returns the feature with the label, "" if there is none.

    Raises:
        InputError: If the one that is asked for is not there.
    """
    if request.label_key:
        return _there("label_key", request.label_key, features)
    others = set(features) - {image_key}
    return next((key for key in _LABELS if key in others), "")


def _there(flag: str, key: str, features: dict[str, Any]) -> str:
    if key not in features:
        raise InputError(
            f"Expected --{flag} to be a feature of the records: "
            f"{listed(sorted(features))}. Received: {key!r}."
        )
    return key
