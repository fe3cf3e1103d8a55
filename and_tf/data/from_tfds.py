"""Image data sets that TensorFlow Datasets has, or has prepared."""

from __future__ import annotations

import difflib
import os
import sys
import urllib.parse
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from and_tf.data.records import Records
from and_tf.data.split import Split, Stream
from and_tf.errors import InputError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

_ANSWER_SECONDS = 3.0


def open_builder(
    name: str,
    data_dir: str | None,
    prepare: Callable[[tfds.core.DatasetBuilder], None],
) -> tfds.core.DatasetBuilder:
    """Finds a prepared data set, or has it prepared.

    Args:
        name: A name of TFDS, which may hold a config and a version.
        data_dir: Where prepared data sets lie; None asks TFDS.
        prepare: Called with the builder where nothing is prepared yet.

    Raises:
        InputError: There is no such data set, or it cannot be prepared.
    """
    import tensorflow_datasets as tfds

    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR") or None
    try:
        builder = tfds.builder(name, data_dir=data_dir)
        if not builder.info.splits:
            prepare(builder)
            builder = tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        raise InputError(_unknown(name, tfds.list_builders())) from error
    except InputError:  # A ValueError too.
        raise
    except (ValueError, RuntimeError, AssertionError) as error:
        raise InputError(
            "Expected a data set that TFDS can open. Received: --dataset="
            f"{name}, of which it says: {_first_line(error)}."
        ) from error
    if not builder.info.splits:
        raise InputError(
            f"Expected a prepared data set in {builder.data_dir}. Received: a "
            "directory without one. Remove it and start again."
        )
    return builder


def download(builder: tfds.core.DatasetBuilder) -> None:
    """Lets TFDS download and prepare a data set.

    Raises:
        InputError: There is no connection, or TFDS fails.
    """
    if failure := try_download(builder):
        raise InputError(
            f"Expected TFDS to download {builder.name} into "
            f"{builder.data_dir}. Received: {failure}. Give the directory "
            "where it is prepared with --data_dir, or use another --dataset."
        )


def try_download(
    builder: tfds.core.DatasetBuilder, download_dir: str | None = None
) -> str:
    """Lets TFDS download and prepare a data set.

    Args:
        builder: The data set, not prepared yet.
        download_dir: Where downloaded files go; None asks TFDS.

    Returns:
        Why it did not succeed; empty where it did.
    """
    for url in sorted(builder.url_infos)[:1]:
        if failure := _connection_failure(url):
            return failure
    announce(f"{builder.name}: download and prepare into {builder.data_dir}")
    try:
        builder.download_and_prepare(download_dir=download_dir)
    except Exception as error:  # Each builder has its own ways to fail.
        return f"{type(error).__name__}: {_first_line(error)}"
    return ""


def read(
    builder: tfds.core.DatasetBuilder, split: str, label_key: str = ""
) -> Split:
    """Makes a streamed split of a prepared data set.

    Args:
        builder: A prepared data set.
        split: As TFDS writes them: "train", "train+unlabelled", "test[:10%]".
        label_key: Which feature holds the labels; "" finds it.

    Raises:
        InputError: No such split, no image or no such label in the data set,
            or files that are missing or not TFRecords.
    """
    features = builder.info.features
    image_key = _image_key(builder)
    label_key = _label_key(builder, label_key)
    height, width, channels = features[image_key].shape
    records = _records(builder, split)
    decode_image = _decoder(builder, image_key)

    def decode(record: tf.Tensor) -> tf.Tensor:
        image = tf.ensure_shape(decode_image(record), (height, width, channels))
        return tf.image.grayscale_to_rgb(image) if channels == 1 else image

    names = getattr(features[label_key], "names", None) if label_key else None
    return Split(
        name=f"{builder.name}/{split}",
        size=records.size,
        image_shape=(height, width) if height and width else None,
        stream=Stream(records, decode),
        labels=(lambda: _labels(records, label_key)) if label_key else None,
        class_names=tuple(names) if names else None,
    )


def announce(what: str) -> None:
    """Says in one line what is being prepared, and where."""
    print(what, file=sys.stderr, flush=True)


def _first_line(error: Exception) -> str:
    """The first line of an error's message, without the full stop."""
    return (str(error).strip().splitlines() or [""])[0].rstrip(".")


def _records(builder: tfds.core.DatasetBuilder, split: str) -> Records:
    """Looks up in which files the records of a split are."""
    try:
        parts = builder.info.splits[split].file_instructions
    except (KeyError, ValueError) as error:
        raise InputError(
            f"Expected a split of {builder.name}: "
            f"{', '.join(builder.info.splits)}, or a part or a sum of them "
            f"such as train[:10%]. Received: {split!r}."
        ) from error
    if not parts:
        raise InputError(
            f"Expected a split of {builder.name} with images. Received: "
            f"{split!r}, which has none."
        )
    received = [builder.info.file_format.value]
    files = [os.fspath(part.filename) for part in parts]
    if received == ["tfrecord"]:
        received = [file for file in files if not tf.io.gfile.exists(file)]
    if received:
        raise InputError(
            f"Expected all TFRecord files of {builder.name}/{split} in "
            f"{builder.data_dir}. Received: {received[0]}"
            f"{' missing' if received[0] in files else ' files'}. Prepare the "
            "data set anew in another --data_dir."
        )
    total_bytes = sum(tf.io.gfile.stat(file).length for file in files)
    return Records(
        files=np.array([os.fsencode(file) for file in files]),
        skip=np.array([part.skip for part in parts], np.int64),
        take=np.array([part.take for part in parts], np.int64),
        record_bytes=total_bytes / sum(p.examples_in_shard for p in parts),
    )


def _decoder(
    builder: tfds.core.DatasetBuilder, key: str
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Decodes one feature of a record, and no other."""
    import tensorflow_datasets as tfds

    part = tfds.features.FeaturesDict({key: builder.info.features[key]})
    return lambda record: part.deserialize_example(record)[key]


def _labels(records: Records, key: str) -> np.ndarray:
    """Reads all labels, int64 `[N]`, and decodes no image."""
    spec = {key: tf.io.FixedLenFeature([], tf.int64)}
    labels = np.full(records.size, -1, np.int64)
    batches = records.unordered().batch(512)
    for parsed, numbers in batches.map(
        lambda batch, numbers: (tf.io.parse_example(batch, spec), numbers),
        num_parallel_calls=tf.data.AUTOTUNE,
    ).as_numpy_iterator():
        labels[numbers] = parsed[key]
    return labels


def _image_key(builder: tfds.core.DatasetBuilder) -> str:
    """Finds the image among the features."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    keys = []
    if isinstance(features, tfds.features.FeaturesDict):
        for key, feature in features.items():
            if isinstance(feature, tfds.features.Image):
                if feature.np_dtype == np.uint8 and feature.shape[-1] in (1, 3):
                    keys.append(key)
    if "image" in keys:
        return "image"
    if len(keys) != 1:
        raise InputError(
            "Expected a data set with one image feature of 8 bits and one or "
            f"three channels. Received: {builder.name} with "
            f"{', '.join(keys) or 'none'}. Use another --dataset."
        )
    return keys[0]


def _label_key(builder: tfds.core.DatasetBuilder, wanted: str) -> str:
    """Finds the label among the features; "" where there is none."""
    import tensorflow_datasets as tfds

    keys = {
        key: isinstance(feature, tfds.features.ClassLabel)
        for key, feature in builder.info.features.items()
        if isinstance(feature, tfds.features.Tensor)
        and feature.shape == ()
        and np.issubdtype(feature.np_dtype, np.integer)
    }
    if wanted and wanted not in keys:
        raise InputError(
            f"Expected --label_key to be an integer feature of {builder.name}: "
            f"{', '.join(keys) or 'it has none'}. Received: {wanted!r}."
        )
    classes = [key for key, is_class in keys.items() if is_class]
    if wanted or "label" in keys:
        return wanted or "label"
    return classes[0] if len(classes) == 1 else ""


def _connection_failure(url: str) -> str:
    """Asks for an answer first: TFDS would try again for minutes."""
    import requests

    if not url.startswith("http"):
        return ""
    host = urllib.parse.urlparse(url).hostname
    try:
        status = requests.head(url, timeout=_ANSWER_SECONDS).status_code
    except requests.RequestException as error:
        return f"no answer from {host} ({type(error).__name__})"
    return f"status {status} from {host}" if status >= 500 else ""


def _unknown(name: str, known: list[str]) -> str:
    """Says that a name is unknown, and which ones come close."""
    known = [*known, "folder", "digits"]
    close = difflib.get_close_matches(name, known, cutoff=0.5)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return (
        "Expected --dataset to be folder, digits or a data set of TFDS. "
        f"Received: {name!r}.{hint}"
    )
