"""Sentences for what TensorFlow says of damaged records."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from and_tf.data import from_tfds, pipeline
from and_tf.data.builder import open_builder
from and_tf.data.in_memory import hold
from and_tf.data.split import Split
from and_tf.data.verifying import verified
from and_tf.utils import unexpected
from and_tf.utils.errors import InputError
from tests.data import tiny_tfds


def _example(**images: bytes) -> bytes:
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))
        for name, image in images.items()
    }
    features = tf.train.Features(feature=features)
    return tf.train.Example(features=features).SerializeToString()


def _with_first(record: bytes) -> Callable[[pathlib.Path], None]:
    """Replaces a file's first record."""
    return lambda path: tiny_tfds.rewrite(path, lambda all: [record, *all[1:]])


def _without_last(path: pathlib.Path) -> None:
    tiny_tfds.rewrite(path, lambda records: records[:-1])


def _flip(place: int) -> Callable[[pathlib.Path], None]:
    """Changes a bit of a file's byte."""

    def change(path: pathlib.Path) -> None:
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(content)

    return change


def _cut(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


PNG = tf.io.encode_png(np.zeros((6, 6, 1), np.uint8)).numpy()
LARGER = tf.io.encode_png(np.zeros((7, 6, 1), np.uint8)).numpy()
BROKEN_FILES = {
    "truncated record": _cut,
    "corrupted record": _flip(40),
    "Is this even a TFRecord": _flip(0),
    "contain 8 elements but contained only 7": _without_last,
}
BROKEN_RECORDS = {
    "Unknown image file format": _with_first(_example(picture=b"garbage")),
    "Invalid PNG data": _with_first(_example(picture=PNG[:-20])),
    "Input is empty": _with_first(_example(picture=b"")),
    "picture": _with_first(_example(other=PNG)),
    "Shape of tensor": _with_first(_example(picture=LARGER)),
}
DAMAGE = BROKEN_FILES | BROKEN_RECORDS


@pytest.fixture(params=DAMAGE.items(), ids=DAMAGE)
def damaged(
    tmp_path: pathlib.Path, request: pytest.FixtureRequest
) -> tuple[Split, str]:
    """A split with one damaged file, and what TensorFlow says of it."""
    words, change = request.param
    tiny_tfds.prepare("tiny_grey", tmp_path)
    change(next(tmp_path.glob("tiny_grey/1.0.0/*train*00001*")))
    builder = open_builder("tiny_grey", str(tmp_path), pytest.fail)
    return from_tfds.read(builder, "train"), words


def _is_plain(sentence: str) -> bool:
    return not any(mark in sentence for mark in ("{{", "[[", "[Op", "\n"))


def test_damage_in_midstream_is_a_sentence(damaged):
    split, words = damaged
    with pytest.raises(tf.errors.OpError) as streamed:
        list(pipeline.clean_batches(split, 6, 3))
    with pytest.raises(tf.errors.OpError):
        list(split.stream(tf.constant([0, 1], tf.int64)))
    sentence = unexpected.sentence(streamed.value)
    assert words in sentence and _is_plain(sentence)


@pytest.mark.parametrize("read", [verified, lambda split: hold(split, None)])
def test_broken_files_end_a_run_and_broken_records_are_left_out(damaged, read):
    split, words = damaged
    if words in BROKEN_RECORDS:
        good = read(split)
        assert good.size == 7
        (skipped,) = good.skipped
        assert skipped.name == "tiny_grey-train.tfrecord-00001-of-00003__0"
        return
    if words.startswith("contain"):
        words = "1 of 2 records"
    with pytest.raises(InputError, match=f"of-00003: .*{words}") as error:
        read(split)
    assert _is_plain(str(error.value))


def test_damage_in_the_midst_of_training_is_a_sentence(tmp_path):
    tiny_tfds.prepare("tiny_grey", tmp_path)
    _cut(next(tmp_path.glob("tiny_grey/1.0.0/*train*00001*")))
    builder = open_builder("tiny_grey", str(tmp_path), pytest.fail)
    batches = pipeline.clean_batches(from_tfds.read(builder, "train"), 6, 2)

    images = keras.Input((6, 6, 3))
    x = keras.layers.Flatten()(images)
    model = keras.Model(images, keras.layers.Dense(1)(x))
    model.compile("sgd", "mse")
    with pytest.raises(tf.errors.OpError) as error:
        model.fit(batches, verbose=0)
    sentence = unexpected.sentence(error.value)
    assert "are damaged: truncated record at 104" in sentence
    assert _is_plain(sentence)


def test_labels_of_damaged_records_are_a_sentence(tmp_path):
    tiny_tfds.prepare("tiny_colour", tmp_path)
    path = next(tmp_path.glob("tiny_colour/1.0.0/*train*00001*"))
    builder = open_builder("tiny_colour", str(tmp_path), pytest.fail)
    split = from_tfds.read(builder, "train")
    _cut(path)
    with pytest.raises(InputError, match="of-00003: truncated record"):
        _ = split.labels
    path.write_bytes(b"")
    with pytest.raises(InputError, match="of-00003: 0 of 3 records"):
        _ = from_tfds.read(builder, "train").labels


def test_other_errors_are_none_of_these():
    error = tf.errors.InvalidArgumentError(None, None, "matmul of [2] and [3]")
    for other in (ValueError("IteratorGetNext"), error):
        assert "damaged" not in unexpected.sentence(other)
