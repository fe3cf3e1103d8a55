"""What is kept of measured files, after kills, damage and changes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from and_tf.exploring.store import Row, State, Store
from and_tf.utils.errors import InputError

_DIGEST = "a" * 64


def _row(number: int) -> Row:
    rng = np.random.default_rng(number)
    return Row(
        sha256=f"{number:064}",
        pixels_sha256=f"{number + 1:064}",
        width=number + 3,
        height=5,
        orientation=6,
        taken="2024-05-01T12:30:00" if number % 2 else "",
        has_place=bool(number % 2),
        truncated=not number % 2,
        measures=rng.random(4, np.float32),
        grey=rng.integers(0, 256, (64, 64), np.uint8),
        chroma=rng.integers(0, 256, (8, 8, 2), np.uint8),
        thumbnail=bytes(range(number)),
        embedding=rng.random(7, np.float32),
    )


def test_rows_come_back_as_they_were(tmp_path):
    names = ["/a/ü.jpg", "/a/\udcff.jpg", "/a/n\nl.jpg"]
    with Store(tmp_path, _DIGEST) as store:
        store.add([(n, State(i, 2**60), _row(i)) for i, n in enumerate(names)])
        store.add([("/b", State(9, 9), _row(9))])
    with Store(tmp_path, _DIGEST) as store:
        for number, name in enumerate(names):
            assert store.knows(name, State(number, 2**60))
            assert store.state(name) == State(number, 2**60)
            ((_, row),) = store.rows([name])
            for field in dataclasses.fields(Row):
                expected = getattr(_row(number), field.name)
                found = getattr(row, field.name)
                np.testing.assert_array_equal(found, expected)
                assert type(found) is type(expected)
        assert store.knows("/b", State(9, 9))
        assert not store.knows("/b", State(9, 8))
        assert not store.knows("/c", State(9, 9))
        # Part by part, whatever their order.
        rows = dict(store.rows([names[2], "/b", names[0]]))
        assert [rows[n].width for n in range(3)] == [5, 12, 3]


def test_the_latest_row_of_a_file_counts(tmp_path):
    for number in range(12):  # More than nine, whose names sort by number.
        with Store(tmp_path, _DIGEST) as store:
            store.add([("/a", State(number, 0), _row(number))])
    with Store(tmp_path, _DIGEST) as store:
        assert not store.knows("/a", State(10, 0))
        assert [row.width for _, row in store.rows(["/a"])] == [14]


def test_encoders_do_not_share_rows(tmp_path):
    with Store(tmp_path, _DIGEST) as store:
        store.add([("/a", State(0, 0), _row(0))])
        with Store(tmp_path, "b" * 64) as other:
            assert not other.knows("/a", State(0, 0))


def test_a_damaged_part_is_measured_again(tmp_path):
    with Store(tmp_path, _DIGEST) as store:
        store.add([("/a", State(0, 0), _row(0))])
        store.add([("/b", State(0, 0), _row(1))])
    (part,) = tmp_path.glob("*/part-000000.npz")
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 255
    part.write_bytes(content)
    with Store(tmp_path, _DIGEST) as store:
        assert not store.knows("/a", State(0, 0))
        assert store.knows("/b", State(0, 0))
        assert not part.exists()
        (part,) = tmp_path.glob("*/part-*.npz")
        part.write_bytes(part.read_bytes()[:-50])
        with pytest.raises(InputError, match="as it was when this run began"):
            next(store.rows(["/b"]))


def test_two_processes_do_not_write_to_one_store(tmp_path):
    with Store(tmp_path, _DIGEST):
        with pytest.raises(InputError, match="Another process"):
            Store(tmp_path, _DIGEST).__enter__()
    with Store(tmp_path, _DIGEST):
        pass


def test_a_store_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        Store(tmp_path / "file", _DIGEST).__enter__()
