"""The same twelve images by all readers, written by other people's libraries.

What is read is compared with the arrays that were given to the writers.
"""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from and_tf import data
from and_tf.data import decode_cache
from and_tf.data.in_memory import hold
from and_tf.data.readers import opening
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


@pytest.fixture(scope="module")
def order(tmp_path_factory) -> np.ndarray:
    """The order of a folder's epochs."""
    place = twelve.folder(tmp_path_factory.mktemp("folder")).place
    request = data.Request("folder", str(place))
    return epochs(data.find(request).train)


@pytest.mark.parametrize("write", twelve.WRITERS, ids=lambda w: w.__name__)
def test_all_kinds_read_the_same(write, place, order):
    written = write(place)
    request = data.Request(written.dataset, str(written.place))
    for _ in range(2):  # The second time, what was kept is used.
        loaded = data.find(request)
        assert not loaded.train.skipped and not loaded.remarks
        for name, split in (("train", loaded.train), ("test", loaded.test)):
            images, labels = expected(name, list(split.file_names), written)
            assert split.name == f"{written.dataset}/{name}"
            assert split.image_shape == (5, 6)
            assert split.labels.tolist() == labels.tolist()
            names = twelve.CLASSES if written.named else None
            assert split.class_names == names
    for image, number in split.stream(None):
        np.testing.assert_array_equal(image, images[number])
    np.testing.assert_array_equal(epochs(loaded.train), order)


def test_what_is_held_is_kept_until_a_file_changes(place, monkeypatch):
    monkeypatch.setattr(decode_cache, "LEAST_BYTES", 0)
    request = data.Request("webdataset", str(twelve.wds(place).place))
    decoded = count_reads(monkeypatch)
    images = twelve.IMAGES[:8, :, :5]  # The centre squares.
    for _ in range(2):
        held = hold(data.find(request).train, 5)
        np.testing.assert_array_equal(held.images, images)
    # Each time, the sizes are looked at, of the test split as well.
    assert len(decoded) == 2 * (8 + 4) + 8
    monkeypatch.setattr(twelve, "IMAGES", 255 - twelve.IMAGES)
    twelve.wds(place)
    held = hold(data.find(request).train, 5)
    np.testing.assert_array_equal(held.images, 255 - images)


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Returns a list to which each read of an image adds its offset."""
    calls: list[int] = []
    read = opening.read_part

    def noting(path: str, offset: int, size: int) -> bytes:
        if size > 100:  # No label.
            calls.append(offset)
        return read(path, offset, size)

    monkeypatch.setattr(opening, "read_part", noting)
    return calls
