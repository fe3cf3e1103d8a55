"""The same twelve images by all readers, written by other people's libraries.

What is read is compared with the arrays that were given to the writers.
"""

from __future__ import annotations

import pathlib
import re
import sqlite3

import numpy as np
import pytest
import tensorflow as tf

import and_tf
from and_tf import data
from and_tf.data import decode_cache
from and_tf.data.in_memory import hold
from and_tf.data.readers import opening
from and_tf.data.split import Split
from and_tf.utils.errors import InputError
from export.embeddings import sources
from tests.data.readers import twelve

ROOT = pathlib.Path(__file__).parents[3]


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


@pytest.mark.parametrize("write", twelve.WRITERS, ids=lambda w: w.__name__)
def test_all_kinds_read_bands(write, place, monkeypatch, rng):
    """Five bands of 16 bits, in TIFFs or arrays, whose levels are known."""
    levels = rng.integers(0, 256, (12, 5, 6, 5), np.uint8)
    monkeypatch.setattr(twelve, "IMAGES", levels.astype(np.uint16) * 257)
    monkeypatch.setattr(twelve, "png", twelve.tiff)
    written = write(place)
    where = written.dataset, str(written.place)
    bands = data.load(*where, channels=5, pixel_range="0,65535", memory_limit=0)
    for name, split in (("train", bands.train), ("test", bands.test)):
        images, _ = expected(name, list(split.file_names), written)
        assert (split.channels, split.image_shape) == (5, (5, 6))
        for image, number in split.stream(None):
            np.testing.assert_array_equal(image, images[number] // 257)
    with pytest.raises(InputError, match="--channels") as error:
        data.load(*where, channels=4)
    assert "\n" not in str(error.value)


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


def test_the_page_shows_a_reader_that_works(place):
    page = (ROOT / "docs" / "data.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(code.splitlines()) <= 40
    (place / "reader_of_the_page.py").write_text(code)
    with sqlite3.connect("photos.sqlite") as photos:
        photos.execute("CREATE TABLE photos (name, species, split, jpeg)")
        for split in twelve.SIZES:
            for number, image, label in twelve.samples(split):
                row = twelve.path_of(split, number), twelve.CLASSES[label]
                row = *row, split, twelve.png(image)
                photos.execute("INSERT INTO photos VALUES (?, ?, ?, ?)", row)
    request = data.Request("reader_of_the_page:read", "photos.sqlite")
    written = twelve.Written("folder", place, twelve.in_folder)
    train = data.find(request).train
    images, labels = expected("train", list(train.file_names), written)
    assert train.labels.tolist() == labels.tolist()
    for image, number in train.stream(None):
        np.testing.assert_array_equal(image, images[number])
    assert train.encoded_stream.identity()


def test_embeddings_and_runs_name_images_as_their_reader_does(place):
    written = twelve.manifest_csv(place)
    place_of = str(written.place)
    source = sources.open_source("data:manifest/test", place_of, "label")
    names = [source.name(number) for number in range(source.split.size)]
    assert names == [twelve.path_of("test", number) for number in range(4)]
    before = source.listing()
    found = sources.pictures(
        "data:manifest/test", "", source.data_dir, [names[2], "gone.png"]
    )
    np.testing.assert_array_equal(found[0], twelve.IMAGES[10])
    assert found[1] is None
    (place / names[0]).write_bytes(twelve.png(twelve.IMAGES[0]))
    again = sources.open_source("data:manifest/test", place_of)
    assert again.listing() != before
    for images in ("data:manifest", "data:digits/train", "data:manifest/dev"):
        with pytest.raises(InputError):
            sources.open_source(images, place_of)


def test_a_run_on_a_reader(place, monkeypatch):
    """Trained, and loaded again with the flags that the run has kept."""
    written = twelve.manifest_jsonl(place)
    config = and_tf.TrainConfig(
        dataset="manifest", data_dir=str(written.place), label_key="label",
        encoder="small", embedding_dim=4, width=0.25, image_size=8,
        batch_size=4, initial_epochs=1, rounds=0, evaluate_every=0,
        knn_neighbours=3, run_dir=str(place / "run"), memory_gib=0,
    )  # fmt: skip
    and_tf.train_run(config)
    run = and_tf.Run(place / "run")
    assert run.images.train.file_names[0] == twelve.path_of("train", 0)
    assert run.config.label_key == "label"
    with pytest.raises(InputError, match="--data_dir, .tar files"):
        and_tf.TrainConfig(dataset="webdataset")
