"""Streamed files that cannot be decoded, against the same files held."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
from PIL import Image

from and_tf import data
from and_tf.data import decode_cache, folder, image_file, verifying
from and_tf.data.split import ImageData, Split, subset
from and_tf.data.verifying import verified
from and_tf.utils.errors import InputError

N, BROKEN = 9, (0, 4, 5)


@pytest.fixture
def photos(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> pathlib.Path:
    """Images that say their numbers, of which three are cut short."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(verifying, "LEAST", 1)
    root = tmp_path / "photos"
    for number in range(N):
        path = root / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20 + number, 21), (number, 0, 0)).save(path)
        if number in BROKEN:
            path.write_bytes(path.read_bytes()[:45])
    return root


def _seen(split: Split) -> list[tuple[int, int]]:
    """Number and colour of each image, in order of number."""
    return [(int(n), int(image[10, 10, 0])) for image, n in split.stream(None)]


def _load(photos: pathlib.Path, memory_limit: int) -> ImageData:
    return data.load(
        "folder", str(photos), image_size=16, memory_limit=memory_limit
    )


def test_streamed_and_held_sets_leave_out_the_same(photos):
    held = _load(photos, 10**9).train
    streams = _load(photos, 0).train
    assert held.held and not streams.held
    assert streams.size == held.size == N - len(BROKEN)
    assert streams.file_names == held.file_names
    assert streams.skipped == held.skipped
    assert [name for name, _ in streams.skipped] == [
        "a/0.png", "a/4.png", "b/5.png"
    ]  # fmt: skip
    np.testing.assert_array_equal(streams.labels, held.labels)
    assert _seen(streams) == list(enumerate([2, 6, 8, 1, 3, 7]))
    assert _seen(streams) == _seen(held)


def test_a_subset_is_the_same_too(photos):
    def load(memory_limit: int) -> Split:
        return data.load(
            "folder", str(photos), image_size=16, max_train_examples=5,
            memory_limit=memory_limit,
        ).train  # fmt: skip

    assert load(0).file_names == load(10**9).file_names
    assert load(0).size < 5
    assert _seen(load(0)) == _seen(load(10**9))


def test_files_are_checked_once(photos, monkeypatch):
    tried = []
    read = image_file.read_image

    def counted(path: bytes, *form: object) -> np.ndarray:
        tried.append(pathlib.Path(path.decode()).name)
        return read(path, *form)

    monkeypatch.setattr(image_file, "read_image", counted)
    first = verified(folder.read(str(photos)).train)
    assert len(tried) == N
    tried.clear()
    assert verified(folder.read(str(photos)).train).skipped == first.skipped
    # What was broken is tried again: a network may have been at fault.
    assert sorted(tried) == ["0.png", "4.png", "5.png"]
    tried.clear()
    part = verified(subset(folder.read(str(photos)).train, 3, seed=0))
    assert len(tried) == 3 >= part.size


def test_a_file_that_breaks_later_is_found(photos):
    split = folder.read(str(photos)).train
    assert "b/3.png" in verified(split).file_names
    path = photos / "b/3.png"
    path.write_bytes(path.read_bytes()[:45])
    assert "b/3.png" not in verified(split).file_names


def test_nothing_is_kept_of_few(photos, monkeypatch):
    monkeypatch.setattr(verifying, "LEAST", N + 1)
    kept = []
    monkeypatch.setattr(decode_cache, "keep", lambda *_, **__: kept.append(1))
    assert verified(folder.read(str(photos)).train).size == N - len(BROKEN)
    assert not kept


def test_a_set_of_broken_files_is_refused(photos):
    for path in photos.rglob("*.png"):
        path.write_bytes(path.read_bytes()[:45])
    with pytest.raises(InputError, match="9 files, of which none can be read"):
        _load(photos, 0)
