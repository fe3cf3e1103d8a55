"""TFDS data sets by number, against TFDS' own reading of them."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from and_tf import data
from and_tf.data import from_tfds, verifying
from and_tf.data.builder import open_builder
from and_tf.data.in_memory import hold
from and_tf.data.preprocessing import centre_square
from and_tf.data.split import Split
from and_tf.data.verifying import verified
from and_tf.data.walking import UNREADABLE, summaries
from and_tf.utils.errors import InputError
from tests.data import tiny_tfds


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    data_dir = tmp_path_factory.mktemp("tfds")
    for name in ("tiny_colour", "tiny_grey", "tiny_bands"):
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


@pytest.mark.parametrize(
    ("channels", "key", "pixel_range"),
    [
        (1, "grey", "0,255"),
        (1, "grey", ""),
        (3, "grey", "auto"),
        (4, "opaque", ""),
        (5, "floats", ""),
        (6, "whole", "0,255"),
        (2, "packed", ""),
    ],
)
def test_features_of_other_channels(data_dir, channels, key, pixel_range):
    expected = [
        e[key] for e in _expected(_open("tiny_bands", data_dir), "train")
    ]
    values = np.broadcast_to(expected, (7, 6, 7, channels))
    found = data.load(
        "tiny_bands", str(data_dir), image_size=7, memory_limit=0,
        channels=channels, pixel_range=pixel_range,
    )  # fmt: skip
    is_deep = values.dtype != np.uint8
    assert found.form.ranged == is_deep
    if is_deep and pixel_range in ("", "auto"):
        ends = np.percentile(values, (0.5, 99.5), axis=(0, 1, 2))
        low, high = found.form.low, found.form.high
        np.testing.assert_allclose([low, high], ends, rtol=1e-6)
    levels = found.form.levels(values)
    assert len(np.unique(levels)) > 200
    for image, number in found.train.stream(None):
        np.testing.assert_array_equal(image, levels[number])


@pytest.mark.parametrize(
    ("name", "channels", "pixel_range", "words"),
    [
        ("tiny_bands", 3, "", r"grey uint16 \[6, 7, 1\] of .* Give --pixel_r"),
        ("tiny_bands", 9, "", "opaque uint8 .* of 4 bands, where .* Give --ch"),
        ("tiny_bands", 4, "0,9", "no --pixel_range with images of 8 bits"),
        ("tiny_colour", 4, "", "image uint8 .* of 3 bands, where --channels=4"),
    ],
)
def test_features_that_do_not_fit(data_dir, name, channels, pixel_range, words):
    options = {"channels": channels, "pixel_range": pixel_range}
    with pytest.raises(InputError, match=words):
        data.load(name, str(data_dir), **options)


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


@pytest.mark.parametrize("read", [verified, lambda split: hold(split, None)])
@pytest.mark.parametrize(
    ("cut", "message"),
    [(-20, "truncated record"), (0, "0 of 2 records")],
)
def test_files_that_are_cut_short(
    tmp_path: pathlib.Path,
    cut: int,
    message: str,
    read: Callable[[Split], Split],
) -> None:
    tiny_tfds.prepare("tiny_grey", tmp_path)
    path = next(tmp_path.glob("tiny_grey/1.0.0/*train*00001*"))
    path.write_bytes(path.read_bytes()[:cut])
    split = from_tfds.read(_open("tiny_grey", tmp_path), "train")
    with pytest.raises(InputError, match=f"{path}: {message}.*Copy it"):
        read(split)


def _cut_image(example: tf.train.Example) -> None:
    image = example.features.feature["image"].bytes_list.value
    image[0] = image[0][:-20]


def _without_label(example: tf.train.Example) -> None:
    del example.features.feature["label"]


@pytest.mark.parametrize("memory_limit", [0, 10**9])
def test_records_that_cannot_be_read_are_left_out_and_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, memory_limit: int
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(verifying, "LEAST", 1)
    builder = tiny_tfds.prepare("tiny_colour", tmp_path)
    config = tfds.ReadConfig(interleave_cycle_length=1, add_tfds_id=True)
    dataset = builder.as_dataset(split="train", read_config=config)
    good = list(tfds.as_numpy(dataset))
    paths = builder.info.splits["train"].filepaths
    tiny_tfds.change_record(paths[0], 1, _cut_image)
    tiny_tfds.change_record(paths[2], 0, _without_label)
    ids = [
        good.pop(number)["tfds_id"].decode()
        for number in (sum(builder.info.splits["train"].shard_lengths[:2]), 1)
    ]

    orders = []
    for _ in range(2):  # The second time, the list of records is known.
        train = data.load(
            "tiny_colour", str(tmp_path), image_size=2,
            memory_limit=memory_limit,
        ).train  # fmt: skip
        assert train.held == bool(memory_limit) and train.size == len(good) == 9
        assert list(summaries(train.skipped)) == [
            f"2 {UNREADABLE}: {ids[1]}, {ids[0]}"
        ]
        np.testing.assert_array_equal(train.labels, [g["label"] for g in good])
        orders.append([])
        for image, number in train.stream(tf.constant([3, 4], tf.int64)):
            expected = good[number]["image"]
            if train.held:
                expected = centre_square(expected, 2)
            np.testing.assert_array_equal(image, expected)
            orders[-1].append(int(number))
    assert orders[0] == orders[1] != sorted(orders[0]) == list(range(9))


def test_a_split_of_unreadable_records_is_refused(
    tmp_path: pathlib.Path,
) -> None:
    builder = tiny_tfds.prepare("tiny_colour", tmp_path)
    for path in builder.info.splits["test"].filepaths:
        tiny_tfds.rewrite(path, lambda all: [b"\xff no example"] * len(all))
    with pytest.raises(InputError, match="4 records, of which none can be"):
        data.load("tiny_colour", str(tmp_path), image_size=2)
