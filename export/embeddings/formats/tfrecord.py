"""Reads and writes embeddings as a TFRecord file of `tf.train.Example`.

The features are `file_name` (bytes) and `embedding` (D floats); if the images
have labels, also `label` (int64) and `class_name` (bytes).
"""

from __future__ import annotations

import pathlib
from typing import BinaryIO

import numpy as np
import tensorflow as tf

from and_tf.data import parallelism
from export.embeddings.formats import Rows, Table, class_names_of, name_of

_BATCH = 1024


def write(file: BinaryIO, rows: Rows) -> None:
    """Writes all rows, and replaces the file's content.

    Raises:
        OSError: If the file cannot be written.
    """
    try:
        with tf.io.TFRecordWriter(file.name) as writer:
            for numbers, embeddings in rows.parts():
                for row, embedding in zip(numbers, embeddings, strict=True):
                    example = _example(rows, row, embedding)
                    writer.write(example.SerializeToString(deterministic=True))
    except tf.errors.OpError as error:
        raise OSError(error.message.splitlines()[0]) from error


def read(path: pathlib.Path) -> Table:
    """Reads all rows."""
    dataset = parallelism.fixed(tf.data.TFRecordDataset(str(path)))
    first = next(dataset.as_numpy_iterator(), None)
    if first is None:
        raise ValueError("an empty file")
    features = tf.train.Example.FromString(first).features.feature
    dim = len(features["embedding"].float_list.value)
    spec = {
        "file_name": tf.io.FixedLenFeature([], tf.string),
        "embedding": tf.io.FixedLenFeature([dim], tf.float32),
    }
    for key, dtype in (("label", tf.int64), ("class_name", tf.string)):
        if key in features:
            spec[key] = tf.io.FixedLenFeature([], dtype)
    parts = [
        tf.io.parse_example(batch, spec) for batch in dataset.batch(_BATCH)
    ]
    columns = {
        key: np.concatenate([p[key].numpy() for p in parts]) for key in spec
    }
    class_names = None
    if "class_name" in columns:
        texts = [name.decode() for name in columns["class_name"]]
        class_names = class_names_of(columns["label"], texts)
    return Table(
        file_names=tuple(name.decode() for name in columns["file_name"]),
        embeddings=columns["embedding"],
        labels=columns.get("label"),
        class_names=class_names,
    )


def _example(rows: Rows, row: int, embedding: np.ndarray) -> tf.train.Example:
    features = {
        "file_name": _text(rows.name(row)),
        "embedding": tf.train.Feature(
            float_list=tf.train.FloatList(value=embedding)
        ),
    }
    if rows.labels is not None:
        features["label"] = tf.train.Feature(
            int64_list=tf.train.Int64List(value=[rows.labels[row]])
        )
        if rows.class_names is not None:
            name = name_of(row, rows.labels, rows.class_names)
            features["class_name"] = _text(name)
    return tf.train.Example(features=tf.train.Features(feature=features))


def _text(value: str) -> tf.train.Feature:
    return tf.train.Feature(
        bytes_list=tf.train.BytesList(value=[value.encode()])
    )
