"""TFDS data sets by number, against TFDS' own reading of them."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from and_tf.data import from_tfds
from and_tf.data.builder import open_builder
from and_tf.data.in_memory import hold
from and_tf.utils.errors import InputError
from tests.data import tiny_tfds


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    data_dir = tmp_path_factory.mktemp("tfds")
    for name in ("tiny_colour", "tiny_grey"):
        tiny_tfds.prepare(name, data_dir)
    return data_dir


def _open(name: str, data_dir: pathlib.Path) -> tfds.core.DatasetBuilder:
    return open_builder(name, str(data_dir), pytest.fail)


def _expected(builder: tfds.core.DatasetBuilder, split: str) -> list[dict]:
    """The examples as TFDS reads them, file after file."""
    one_by_one = tfds.ReadConfig(interleave_cycle_length=1)
    dataset = builder.as_dataset(split=split, read_config=one_by_one)
    return list(tfds.as_numpy(dataset))


@pytest.mark.parametrize(
    "split",
    ["train", "train+unlabelled", "train[20%:70%]", "test[1:]+train[:9]"],
)
def test_images_and_labels_are_those_of_tfds(
    data_dir: pathlib.Path, split: str
) -> None:
    builder = _open("tiny_colour", data_dir)
    expected = _expected(builder, split)
    actual = from_tfds.read(builder, split)
    assert actual.size == len(expected)
    assert actual.image_shape is None
    assert actual.class_names == ("a", "b", "c")
    np.testing.assert_array_equal(actual.labels, [e["label"] for e in expected])
    assert actual.labels.dtype == np.int64
    for place, (image, number) in enumerate(actual.stream(None)):
        assert number == place
        np.testing.assert_array_equal(image, expected[place]["image"])


def test_a_drawn_order_keeps_numbers(data_dir: pathlib.Path) -> None:
    builder = _open("tiny_colour", data_dir)
    assert len(builder.info.splits["train"].filepaths) == tiny_tfds.SHARDS
    expected = _expected(builder, "train")
    split = from_tfds.read(builder, "train")
    dataset = tf.data.Dataset.range(2).flat_map(
        lambda epoch: split.stream(tf.stack([np.int64(3), epoch]))
    )
    numbers = []
    for image, number in dataset:
        np.testing.assert_array_equal(image, expected[number]["image"])
        numbers.append(int(number))
    first, second = np.reshape(numbers, (2, -1)).tolist()
    assert sorted(first) == sorted(second) == list(range(len(expected)))
    assert first != second != sorted(second)


def test_grey_becomes_three_channels(data_dir: pathlib.Path) -> None:
    builder = _open("tiny_grey", data_dir)
    split = from_tfds.read(builder, "train")
    assert split.labels is None and split.class_names is None
    assert split.image_shape == (6, 6)
    expected = [e["picture"] for e in _expected(builder, "train")]
    np.testing.assert_array_equal(
        hold(split, None).images, np.repeat(expected, 3, axis=-1)
    )


def test_label_key_chooses_the_label(data_dir: pathlib.Path) -> None:
    builder = _open("tiny_colour", data_dir)
    expected = [e["coarse"] for e in _expected(builder, "train")]
    split = from_tfds.read(builder, "train", "coarse")
    assert split.class_names == ("x", "y")
    np.testing.assert_array_equal(split.labels, expected)
    for wrong in ("weight", "nothing"):
        with pytest.raises(InputError, match="label, coarse|coarse, label"):
            from_tfds.read(builder, "train", wrong)


@pytest.mark.parametrize("split", ["nothing", "train[:x]", "train[5:5]"])
def test_a_split_that_is_not_there(data_dir: pathlib.Path, split: str) -> None:
    with pytest.raises(InputError, match="Expected a split of tiny_colour"):
        from_tfds.read(_open("tiny_colour", data_dir), split)


def test_files_that_are_missing_or_of_another_format(
    tmp_path: pathlib.Path,
) -> None:
    tiny_tfds.prepare("tiny_grey", tmp_path)
    directory = tmp_path / "tiny_grey" / "1.0.0"
    next(directory.glob("*train*00001*")).unlink()
    builder = _open("tiny_grey", tmp_path)
    assert from_tfds.read(builder, "validation").size == 3
    with pytest.raises(InputError, match="00001-of-00003 missing"):
        from_tfds.read(builder, "train")
    info = json.loads((directory / "dataset_info.json").read_text())
    info["fileFormat"] = "array_record"
    (directory / "dataset_info.json").write_text(json.dumps(info))
    with pytest.raises(InputError, match="Received: array_record"):
        from_tfds.read(_open("tiny_grey", tmp_path), "validation")


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize(
    ("cut", "message"), [(-20, "truncated record"), (0, "contain 8 elements")]
)
def test_files_that_are_cut_short(
    tmp_path: pathlib.Path, cut: int, message: str, later: bool
) -> None:
    tiny_tfds.prepare("tiny_grey", tmp_path)
    path = next(tmp_path.glob("tiny_grey/1.0.0/*train*00001*"))
    path.write_bytes(path.read_bytes()[:cut])
    split = from_tfds.read(_open("tiny_grey", tmp_path), "train")
    held = hold(split, None, later)
    for _ in range(2):
        with pytest.raises(InputError, match=message):
            held.wait()
