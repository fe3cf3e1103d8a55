"""Reads image data sets that TensorFlow Datasets has prepared."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from and_tf.data import decode_cache, parallelism, tfds_features
from and_tf.data.attempt import map_batches
from and_tf.data.pixel_format import RGB, PixelFormat, fitting
from and_tf.data.split import Split, Stream
from and_tf.data.tfds_features import image_feature
from and_tf.data.tfds_records import Records
from and_tf.data.walking import utf8
from and_tf.utils import unexpected
from and_tf.utils.errors import InputError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds


def read(
    builder: tfds.core.DatasetBuilder,
    split: str,
    label_key: str = "",
    form: PixelFormat = RGB,
) -> Split:
    """Makes a streamed split of a prepared data set.

    Args:
        builder: The builder of a prepared data set.
        split: The split in the notation of TFDS, such as "train",
            "train+unlabelled" or "test[:10%]".
        label_key: The name of the feature that holds the labels; "" finds it.
        form: The channels that are read, and what their values mean. Grey
            becomes RGB and RGB of 8 bits grey; others have to be the data
            set's own.

    Raises:
        InputError: If the data set has no such split, no such image or no such
            label, or if files are missing or are not TFRecords.
    """
    features = builder.info.features
    picture = image_feature(builder, form)
    label_key = tfds_features.label_key(builder, label_key)
    records = _records(builder, split)
    spec = {picture.key: picture.spec}
    if label_key:  # A record without a label is as broken as its image.
        spec[label_key] = tf.io.FixedLenFeature([], tf.int64)

    def unpack(serialized: tf.Tensor) -> tf.Tensor:
        return tf.io.parse_example(serialized, spec)[picture.key]

    def values(number: int) -> np.ndarray | None:
        try:
            encoded = unpack(tf.constant(records.read(number)))
            return fitting(picture.values(encoded).numpy(), form.channels)
        except Exception:  # TensorFlow and files raise many kinds of errors.
            return None

    more: tuple[object, ...] = ()
    if not form.usual:
        more = (form if form.ranged else form.channels,)

    def identity() -> str | None:
        parts = records.skip.tolist(), records.take.tolist()
        return decode_cache.identity(
            records.files.tolist(), picture.key, label_key, *parts, *more
        )

    def refusal(error: Exception) -> InputError:
        return _refusal(records, name, error)

    names = getattr(features[label_key], "names", None) if label_key else None
    name = f"{builder.name}/{split}"
    return Split(
        name=name,
        size=records.size,
        image_shape=picture.image_shape,
        stream=Stream(
            records,
            picture.levels,
            unpack,
            identity,
            raises=True,
            names=records.name_of,
            refusal=refusal,
            values=values if picture.is_deep else None,
        ),
        labels=(lambda: _labels(records, label_key, name))
        if label_key
        else None,
        class_names=tuple(names) if names else None,
        channels=form.channels,
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
