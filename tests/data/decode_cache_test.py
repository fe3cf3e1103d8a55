"""Decoded images that later processes find, and what makes them useless."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from and_tf.data import decode_cache, folder, image_file
from and_tf.data.in_memory import hold
from and_tf.data.split import Split, take
from and_tf.data.walking import UNREADABLE

N, SIDE = 5, 4


@pytest.fixture(autouse=True)
def cache(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> pathlib.Path:
    """Where entries lie; of any size."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(decode_cache, "LEAST_BYTES", 1)
    return tmp_path / "cache" / "and_tf"


@pytest.fixture
def photos(tmp_path: pathlib.Path, rng: np.random.Generator) -> pathlib.Path:
    place = tmp_path / "photos"
    place.mkdir()
    for number in range(N):
        pixels = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")
    return place


def _split(photos: pathlib.Path) -> Split:
    return folder.read(str(photos)).train


def _break(path: pathlib.Path) -> None:
    """Cuts into an image, and leaves its size and its time as they were."""
    state, content = path.stat(), path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:half] + bytes(len(content) - half))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.fixture
def undecodable(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Has every decoding fail from when it is called."""

    def fail(path: bytes) -> None:
        raise ValueError(f"{path} was decoded")

    return lambda: monkeypatch.setattr(image_file, "read_image", fail)


def test_is_decoded_once(
    photos: pathlib.Path, undecodable: Callable[[], None]
) -> None:
    first = hold(_split(photos), None).images
    undecodable()
    np.testing.assert_array_equal(hold(_split(photos), None).images, first)


def test_another_process_finds_it(
    photos: pathlib.Path,
    tmp_path: pathlib.Path,
    undecodable: Callable[[], None],
) -> None:
    program = (
        "import sys, numpy as np\n"
        "from and_tf.data import decode_cache, folder\n"
        "from and_tf.data.in_memory import hold\n"
        "decode_cache.LEAST_BYTES = 1\n"
        "split = hold(folder.read(sys.argv[1]).train, None)\n"
        "np.save(sys.argv[2], split.images)\n"
    )
    out = tmp_path / "images.npy"
    command = [sys.executable, "-c", program, str(photos), str(out)]
    subprocess.run(command, check=True)
    undecodable()
    found = hold(_split(photos), None)
    np.testing.assert_array_equal(found.images, np.load(out))
    assert found.size == N


def test_a_changed_file_is_decoded_anew(photos: pathlib.Path) -> None:
    first = hold(_split(photos), None).images
    _break(photos / "2.png")
    held = hold(_split(photos), None)
    assert held.skipped == (("2.png", UNREADABLE),)
    np.testing.assert_array_equal(held.images, first[[0, 1, 3, 4]])


def test_what_cannot_be_read_is_tried_again(
    photos: pathlib.Path, cache: pathlib.Path
) -> None:
    whole = (photos / "2.png").read_bytes()
    state = (photos / "2.png").stat()
    _break(photos / "2.png")
    assert hold(_split(photos), None).size == N - 1
    assert not cache.exists()
    (photos / "2.png").write_bytes(whole)
    os.utime(photos / "2.png", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert hold(_split(photos), None).size == N


def test_parts_and_sizes_are_apart(photos: pathlib.Path) -> None:
    whole = hold(_split(photos), None).images
    chosen = np.array([1, 4])
    part = hold(take(_split(photos), chosen), None).images
    other = hold(take(_split(photos), np.array([0, 4])), None).images
    np.testing.assert_array_equal(part, whole[chosen])
    np.testing.assert_array_equal(other, whole[[0, 4]])
    assert hold(_split(photos), SIDE // 2).images.shape[1:3] == (2, 2)


@pytest.mark.parametrize("left", [0.0, 0.1, 0.9])
def test_half_an_entry_is_none(
    photos: pathlib.Path, cache: pathlib.Path, left: float
) -> None:
    first = hold(_split(photos), None).images
    (entry,) = cache.iterdir()
    os.truncate(entry, int(left * entry.stat().st_size))
    np.testing.assert_array_equal(hold(_split(photos), None).images, first)


def test_a_damaged_entry_is_none(
    photos: pathlib.Path, cache: pathlib.Path
) -> None:
    first = hold(_split(photos), None).images
    (entry,) = cache.iterdir()
    whole = entry.read_bytes()
    places = [*range(0, 128, 3), *range(128, len(whole), 17), len(whole) - 1]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        entry.write_bytes(damaged)
        assert decode_cache.recall(entry.name) is None, place
    entry.write_bytes(whole[:200] + bytes(len(whole) - 200))
    assert decode_cache.recall(entry.name) is None
    entry.write_bytes(whole)
    np.testing.assert_array_equal(decode_cache.recall(entry.name), first)


def test_another_file_of_the_same_size_and_time_has_another_name(
    photos: pathlib.Path,
) -> None:
    path = photos / "2.png"
    before = decode_cache.identity([os.fsencode(path)])
    assert decode_cache.identity([os.fsencode(path)]) == before
    state, other = path.stat(), photos / "other"
    other.write_bytes(path.read_bytes()[::-1])
    os.replace(other, path)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert decode_cache.identity([os.fsencode(path)]) != before


def test_nowhere_to_write_only_takes_longer(
    photos: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "file").touch()
    for place in (str(tmp_path / "file"), "/proc/none"):
        monkeypatch.setenv("XDG_CACHE_HOME", place)
        assert hold(_split(photos), None).size == N
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.chdir(tmp_path)
    assert hold(_split(photos), None).size == N
    assert not (tmp_path / "~").exists()


def test_the_least_recently_used_makes_room(
    cache: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.zeros((2, 4, 4, 3), np.uint8)
    for time, name in enumerate("abc"):
        decode_cache.keep(name, images)
        os.utime(cache / name, (time, time))
    decode_cache.recall("a")
    size = (cache / "a").stat().st_size
    monkeypatch.setattr(decode_cache, "MOST_BYTES", 3 * size)
    decode_cache.keep("d", images)
    assert {path.name for path in cache.iterdir()} == {"a", "c", "d"}
    assert decode_cache.recall("b") is None
    np.testing.assert_array_equal(decode_cache.recall("a"), images)


@pytest.mark.parametrize("limit", ["LEAST_BYTES", "MOST_BYTES"])
def test_few_images_and_too_many_are_not_kept(
    cache: pathlib.Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    images = np.zeros((2, 4, 4, 3), np.uint8)
    amount = images.nbytes + (1 if limit == "LEAST_BYTES" else -1)
    monkeypatch.setattr(decode_cache, limit, amount)
    decode_cache.keep("a", images)
    assert not cache.exists()


def test_images_of_no_file_here_have_no_name() -> None:
    assert decode_cache.identity([b"gs://bucket/file"]) is None
    one, two = (
        decode_cache.identity([], "a", "b"),
        decode_cache.identity([], "ab"),
    )
    assert one != two
