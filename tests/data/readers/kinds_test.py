"""The same twelve images by all readers, written by other people's libraries.

What is read is compared with the arrays that were given to the writers.
"""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from and_tf import data
from and_tf.data.split import Split
from tests.data.readers import twelve


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch) -> pathlib.Path:
    """An empty working directory, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    return tmp_path / "data"


def expected(split: str, names: list[str], written: twelve.Written):
    """The pixels and labels of a split in the order of its names."""
    ids = [written.ids(split, n) for n in range(twelve.SIZES[split])]
    assert names == ids
    first = twelve.FIRST[split]
    order = [first + number for number in range(len(ids))]
    if written.ids in (twelve.in_folder,) or written.dataset in (
        "archive",
        "folder",
    ):
        # Folders are in the order of paths, not of numbers.
        by_path = {twelve.path_of(split, n): first + n for n in range(len(ids))}
        order = [by_path[twelve.in_folder(split, n)] for n in range(len(ids))]
    return twelve.IMAGES[order], twelve.LABELS[order]


def epochs(split: Split) -> np.ndarray:
    """The order of three epochs."""
    return np.array(
        [
            [int(n) for _, n in split.stream(tf.constant([3, epoch], tf.int64))]
            for epoch in range(3)
        ]
    )


@pytest.mark.parametrize("write", twelve.WRITERS, ids=lambda w: w.__name__)
@pytest.mark.parametrize("memory_limit", [0, 10**9])
def test_all_kinds_read_the_same(write, memory_limit, place):
    written = write(place)
    for _ in range(2):  # The second time, what was kept is used.
        loaded = data.load(
            written.dataset, str(written.place), memory_limit=memory_limit
        )
        assert not loaded.train.skipped and not loaded.remarks
        for name, split in (("train", loaded.train), ("test", loaded.test)):
            images, labels = expected(name, list(split.file_names), written)
            assert split.name == f"{written.dataset}/{name}"
            assert split.image_shape == (5, 6) if not memory_limit else (5, 5)
            assert split.labels.tolist() == labels.tolist()
            names = twelve.CLASSES if written.named else None
            assert split.class_names == names
            for image, number in split.stream(None):
                pixels = images[number]
                if memory_limit:
                    pixels = pixels[:, :5]  # The centre square.
                np.testing.assert_array_equal(image, pixels)
    reference = data.find(
        data.Request("folder", str(twelve.folder(place / "f").place))
    )
    np.testing.assert_array_equal(epochs(loaded.train), epochs(reference.train))
