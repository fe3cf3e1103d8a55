"""Defines two tiny data sets that TFDS itself prepares, for tests."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

SHARDS = 3


class TinyColour(tfds.core.GeneratorBasedBuilder):
    """A data set of images of mixed sizes, with two labels and a mask."""

    VERSION = tfds.core.Version("1.0.0")
    SIZES = {"train": 11, "test": 4, "unlabelled": 5}

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict({
            "image": tfds.features.Image(shape=(None, None, 3)),
            "mask": tfds.features.Image(shape=(None, None, 1)),
            "label": tfds.features.ClassLabel(names=["a", "b", "c"]),
            "coarse": tfds.features.ClassLabel(names=["x", "y"]),
            "weight": np.float32,
        })  # fmt: skip
        return self.dataset_info_from_configs(features=features)

    def _split_generators(self, dl_manager: object) -> dict:
        return {split: self._generate_examples(split) for split in self.SIZES}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict]]:
        rng = np.random.default_rng(len(split))
        for number in range(self.SIZES[split]):
            shape = 2 + number % 3, 3 + number % 2
            label = -1 if split == "unlabelled" else number % 3
            yield (
                number,
                {
                    "image": rng.integers(0, 256, (*shape, 3), np.uint8),
                    "mask": np.zeros((*shape, 1), np.uint8),
                    "label": label,
                    "coarse": number % 2,
                    "weight": 0.5,
                },
            )


class TinyGrey(tfds.core.GeneratorBasedBuilder):
    """A data set of grey images of one size, without labels."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        picture = tfds.features.Image(shape=(6, 6, 1))
        features = tfds.features.FeaturesDict({"picture": picture})
        return self.dataset_info_from_configs(features=features)

    def _split_generators(self, dl_manager: object) -> dict:
        counts = {"train": 8, "validation": 3}
        return {s: self._generate_examples(n) for s, n in counts.items()}

    def _generate_examples(self, count: int) -> Iterator[tuple[int, dict]]:
        for number in range(count):
            yield number, {"picture": np.full((6, 6, 1), number, np.uint8)}


class TinyBands(tfds.core.GeneratorBasedBuilder):
    """A data set of images of one, four and five channels, some deep."""

    VERSION = tfds.core.Version("1.0.0")
    FEATURES = {
        "grey": tfds.features.Image(
            shape=(6, 7, 1), dtype=np.uint16, encoding_format="png"
        ),
        "opaque": tfds.features.Image(shape=(None, None, 4)),
        "floats": tfds.features.Tensor(shape=(6, 7, 5), dtype=np.float32),
        "whole": tfds.features.Tensor(shape=(6, 7, 6), dtype=np.uint16),
        "packed": tfds.features.Tensor(
            shape=(6, 7, 2), dtype=np.uint8, encoding="zlib"
        ),
    }

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(self.FEATURES)
        return self.dataset_info_from_configs(features=features)

    def _split_generators(self, dl_manager: object) -> dict:
        return {
            s: self._generate_examples(n)
            for s, n in (("train", 7), ("test", 3))
        }

    def _generate_examples(self, count: int) -> Iterator[tuple[int, dict]]:
        rng = np.random.default_rng(count)
        for number in range(count):
            yield (
                number,
                {
                    key: rng.integers(0, 256, (6, 7, feature.shape[-1])).astype(
                        feature.np_dtype
                    )
                    for key, feature in self.FEATURES.items()
                },
            )


def prepare(name: str, data_dir: pathlib.Path) -> tfds.core.DatasetBuilder:
    """Prepares a data set by TFDS, with each split in several files."""
    builder = tfds.builder(name, data_dir=data_dir)
    config = tfds.download.DownloadConfig(num_shards=SHARDS)
    tfds.display_progress_bar(enable=False)
    try:
        builder.download_and_prepare(download_config=config)
    finally:
        tfds.display_progress_bar(enable=True)
    return builder


def rewrite(
    path: os.PathLike, change: Callable[[list[bytes]], list[bytes]]
) -> None:
    """Replaces the records of a file by what `change` makes of them."""
    path = os.fspath(path)
    records = [record.numpy() for record in tf.data.TFRecordDataset(path)]
    with tf.io.TFRecordWriter(path) as writer:
        for record in change(records):
            writer.write(record)


def change_record(
    path: os.PathLike, place: int, change: Callable[[tf.train.Example], None]
) -> None:
    """Changes the example in one place of a file."""

    def changed(records: list[bytes]) -> list[bytes]:
        example = tf.train.Example.FromString(records[place])
        change(example)
        records[place] = example.SerializeToString()
        return records

    rewrite(path, changed)
