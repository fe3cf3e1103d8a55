"""Reads image data sets that TensorFlow Datasets has prepared."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from and_tf.data import decode_cache, parallelism
from and_tf.data.attempt import map_batches
from and_tf.data.pixel_format import RGB
from and_tf.data.split import Split, Stream
from and_tf.data.tfds_records import Records
from and_tf.data.walking import utf8
from and_tf.utils import unexpected
from and_tf.utils.errors import InputError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds


_NUMBERS = {1: "one", 3: "three"}


def read(
    builder: tfds.core.DatasetBuilder,
    split: str,
    label_key: str = "",
    wanted: int = 3,
) -> Split:
    """Makes a streamed split of a prepared data set.

    Args:
        builder: The builder of a prepared data set.
        split: The split in the notation of TFDS, such as "train",
            "train+unlabelled" or "test[:10%]".
        label_key: The name of the feature that holds the labels; "" finds it.
        wanted: The number of channels, C. Grey becomes RGB and RGB grey;
            others have to be the data set's own.

    Raises:
        InputError: If the data set has no such split, no such image or no such
            label, or if files are missing or are not TFRecords.
    """
    features = builder.info.features
    image_key = _image_key(builder, wanted)
    label_key = _label_key(builder, label_key)
    height, width, channels = features[image_key].shape
    records = _records(builder, split)
    spec = {image_key: tf.io.FixedLenFeature([], tf.string)}
    if label_key:  # A record without a label is as broken as its image.
        spec[label_key] = tf.io.FixedLenFeature([], tf.int64)

    def unpack(serialized: tf.Tensor) -> tf.Tensor:
        return tf.io.parse_example(serialized, spec)[image_key]

    def decode(encoded: tf.Tensor) -> tf.Tensor:
        image = features[image_key].decode_example(encoded)
        image = tf.ensure_shape(image, (height, width, channels))
        if channels == wanted:
            return image
        if channels == 1:
            return tf.image.grayscale_to_rgb(image)
        return tf.image.rgb_to_grayscale(image)

    more = () if wanted == RGB.channels else (wanted,)

    def identity() -> str | None:
        parts = records.skip.tolist(), records.take.tolist()
        return decode_cache.identity(
            records.files.tolist(), image_key, label_key, *parts, *more
        )

    def refusal(error: Exception) -> InputError:
        return _refusal(records, name, error)

    names = getattr(features[label_key], "names", None) if label_key else None
    name = f"{builder.name}/{split}"
    return Split(
        name=name,
        size=records.size,
        image_shape=(height, width) if height and width else None,
        stream=Stream(
            records,
            decode,
            unpack,
            identity,
            raises=True,
            names=records.name_of,
            refusal=refusal,
        ),
        labels=(lambda: _labels(records, label_key, name))
        if label_key
        else None,
        class_names=tuple(names) if names else None,
        channels=wanted,
    )


def _records(builder: tfds.core.DatasetBuilder, split: str) -> Records:
    """Looks up the files that hold the records of a split."""
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
            "data set again in another --data_dir."
        )
    total_bytes = sum(tf.io.gfile.stat(file).length for file in files)
    return Records(
        files=np.array([os.fsencode(file) for file in files]),
        skip=np.array([part.skip for part in parts], np.int64),
        take=np.array([part.take for part in parts], np.int64),
        record_bytes=total_bytes / sum(p.examples_in_shard for p in parts),
    )


def _refusal(records: Records, name: str, error: Exception) -> InputError:
    """Says which file of a split is damaged, and what to do.

    Args:
        records: The records of the split.
        name: The name of the split.
        error: The error that TensorFlow raised.
    """
    found = records.damage() or (unexpected.brief(error),)
    directory = os.path.dirname(os.fsdecode(records.files[0]))
    return InputError(
        f"Expected the files of {name} to be whole. Received: "
        f"{': '.join(found)}. The rest of that file cannot be read. Copy it "
        f"again, or remove {utf8(directory)}, and the data set is prepared "
        "again at the next start."
    )


def _labels(records: Records, key: str, name: str) -> np.ndarray:
    """Reads all labels of a split, int64 `[N]`, without decoding images.

    A label that cannot be read is -1; its image is left out.

    Args:
        records: The N records of the split.
        key: The name of the feature that holds the labels.
        name: The name of the split, for error messages.

    Raises:
        InputError: If a file is damaged, or there are fewer than N records.
    """
    spec = {key: tf.io.FixedLenFeature([], tf.int64)}

    @tf.autograph.experimental.do_not_convert
    def parse(record: tf.Tensor) -> tuple[tf.Tensor]:
        return (tf.io.parse_example(record, spec)[key],)

    labels = np.full(records.size, -1, np.int64)
    count, unread = 0, (tf.constant(-1, tf.int64),)
    batches = map_batches(records.unordered().batch(512), parse, parse, unread)
    try:
        for parsed, numbers in parallelism.fixed(batches).as_numpy_iterator():
            labels[numbers] = parsed
            count += len(numbers)
    except (tf.errors.OpError, UnicodeDecodeError) as error:
        raise _refusal(records, name, error) from error
    if count < records.size:
        fewer = ValueError(f"{count} records of {records.size}")
        raise _refusal(records, name, fewer)
    return labels


def _image_key(builder: tfds.core.DatasetBuilder, wanted: int) -> str:
    """Returns the name of the feature that holds the image.

    Args:
        builder: The builder of a prepared data set.
        wanted: The number of channels.

    Raises:
        InputError: If no feature, or more than one, can be the image.
    """
    import tensorflow_datasets as tfds

    features = builder.info.features
    channels = (1, 3) if wanted in (1, 3) else (wanted,)
    keys = []
    if isinstance(features, tfds.features.FeaturesDict):
        for key, feature in features.items():
            if isinstance(feature, tfds.features.Image):
                fits = feature.shape[-1] in channels
                if feature.np_dtype == np.uint8 and fits:
                    keys.append(key)
    if "image" in keys:
        return "image"
    if len(keys) != 1:
        raise InputError(
            "Expected a data set with one image feature of 8 bits and "
            f"{' or '.join(_NUMBERS.get(c, str(c)) for c in channels)} "
            f"channels. Received: {builder.name} with "
            f"{', '.join(keys) or 'none'}. Use another --dataset."
        )
    return keys[0]


def _label_key(builder: tfds.core.DatasetBuilder, wanted: str) -> str:
    """Returns the name of the feature that holds the label, "" if none does.

    Args:
        builder: The builder of a prepared data set.
        wanted: The name that a user gave; "" finds the feature.

    Raises:
        InputError: If `wanted` is no integer feature of the data set.
    """
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
