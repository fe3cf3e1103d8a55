"""Tables of embeddings: to disk and back, to the bit, and for other readers."""

from __future__ import annotations

import csv
import pathlib
from collections.abc import Iterator

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from and_tf.utils import atomic_files
from and_tf.utils.errors import InputError
from export.embeddings import tables
from export.embeddings.formats import Rows

N, D, PART = 25, 6, 10
NAMES = [f"a/{i}.png" for i in range(N)]
NAMES[1:6] = 'say "a", b.png', "line\nbreak.png", "größe/写真.png", "", " x "
CLASSES = "cat", "a, b", "写真", "unseen"


def finite(shape: tuple[int, ...]) -> np.ndarray:
    """float32 of random bits, of any size down to the smallest."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, shape, np.uint64).astype(np.uint32)
    values = bits.view(np.float32)
    values[~np.isfinite(values)] = np.float32(1) / 3
    values.flat[:4] = -0.0, 1e-45, np.finfo(np.float32).max, 2**24 + 2
    return values


def rows(
    values: np.ndarray | None = None, labelled: bool = True, named: bool = True
) -> Rows:
    values = finite((N, D)) if values is None else values

    def parts() -> Iterator[np.ndarray]:
        for first in range(0, len(values), PART):
            yield values[first : first + PART]

    return Rows(
        count=len(values),
        embedding_dim=values.shape[1],
        name=lambda row: NAMES[row % N],
        embeddings=parts,
        labels=np.arange(len(values)) % 4 - 1 if labelled else None,
        class_names=CLASSES if named and labelled else None,
    )


def write(path: pathlib.Path, content: Rows) -> pathlib.Path:
    atomic_files.write(path, lambda f: tables.write(f, path.suffix, content))
    return path


def bits(values: np.ndarray) -> list:
    return values.view(np.uint32).tolist()


@pytest.mark.parametrize("suffix", tables.SUFFIXES)
@pytest.mark.parametrize(
    ("labelled", "named"), [(True, True), (True, False), (False, False)]
)
def test_what_is_written_is_read(tmp_path, suffix, labelled, named):
    content = rows(labelled=labelled, named=named)
    table = tables.read(write(tmp_path / f"t{suffix}", content))
    assert table.file_names == tuple(NAMES)
    assert bits(table.embeddings) == bits(finite((N, D)))
    if not labelled:
        assert table.labels is None and table.class_names is None
        assert table.class_name(1) == ""
        return
    assert table.labels.dtype == np.int64
    assert table.labels.tolist() == content.labels.tolist()
    names = ["", *CLASSES[:3]] if named else ["", "0", "1", "2"]
    assert [table.class_name(row) for row in range(4)] == names
    assert (table.class_names is not None) == named


@pytest.mark.parametrize("suffix", tables.SUFFIXES)
def test_equal_tables_are_equal_files(tmp_path, suffix):
    first, second = (
        write(tmp_path / f"{name}{suffix}", rows()) for name in "ab"
    )
    assert first.read_bytes() == second.read_bytes()


def test_decimal_numbers_lose_no_bit(tmp_path):
    values = finite((4000, 5))
    table = tables.read(write(tmp_path / "t.csv", rows(values)))
    assert bits(table.embeddings) == bits(values)


def test_numpy_reads_it(tmp_path):
    with np.load(write(tmp_path / "t.npz", rows())) as arrays:
        assert arrays["file_names"].tolist() == NAMES
        assert arrays["embeddings"].dtype == np.float32
        assert bits(arrays["embeddings"]) == bits(finite((N, D)))
        assert arrays["class_names"].tolist() == list(CLASSES)


def test_a_spreadsheet_reads_it(tmp_path):
    with open(write(tmp_path / "t.csv", rows()), newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0])[:4] == ["file_name", "label", "class_name", "e0"]
    assert [line["class_name"] for line in lines[:4]] == ["", *CLASSES[:3]]
    numbers = [[float(line[f"e{i}"]) for i in range(D)] for line in lines]
    assert bits(np.array(numbers, np.float32)) == bits(finite((N, D)))


def test_arrow_reads_it(tmp_path):
    file = pq.ParquetFile(write(tmp_path / "t.parquet", rows()))
    types = {field.name: str(field.type) for field in file.schema_arrow}
    assert types == {
        "file_name": "string",
        "embedding": f"fixed_size_list<element: float>[{D}]",
        "label": "int64",
        "class_name": "string",
    }
    assert file.num_row_groups == 3
    embeddings = file.read().column("embedding").to_pylist()
    assert bits(np.array(embeddings, np.float32)) == bits(finite((N, D)))


def test_tensorflow_reads_it(tmp_path):
    path = write(tmp_path / "t.tfrecord", rows())
    spec = {
        "file_name": tf.io.FixedLenFeature([], tf.string),
        "embedding": tf.io.FixedLenFeature([D], tf.float32),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }
    examples = [
        tf.io.parse_single_example(record, spec)
        for record in tf.data.TFRecordDataset(str(path))
    ]
    assert [e["file_name"].numpy().decode() for e in examples] == NAMES
    embeddings = np.stack([e["embedding"].numpy() for e in examples])
    assert bits(embeddings) == bits(finite((N, D)))


@pytest.mark.parametrize("suffix", tables.SUFFIXES)
@pytest.mark.parametrize("damage", ["cut", "empty", "other"])
def test_damaged_files_are_refused(tmp_path, suffix, damage):
    path = write(tmp_path / f"t{suffix}", rows())
    whole = path.read_bytes()
    contents = {
        "cut": whole[: len(whole) // 2 - 3],
        "empty": b"",
        "other": b"name,size\nx,3\n",
    }
    path.write_bytes(contents[damage])
    with pytest.raises(InputError, match=f"to be a whole {suffix} file") as e:
        tables.read(path)
    assert "\n" not in str(e.value)


def test_other_arrays_are_refused(tmp_path):
    path = tmp_path / "t.npz"
    for arrays in (
        {"images": np.zeros((2, 4, 4, 3), np.uint8)},
        {"file_names": np.array(["a"]), "embeddings": np.zeros((2, 3), "f4")},
        {"file_names": np.array(["a"]), "embeddings": np.zeros((1, 3))},
        {
            "file_names": np.array(["a"]),
            "embeddings": np.zeros((1, 3), np.float32),
            "labels": np.zeros(2, np.int64),
        },
        # Of names that are numbers, search could show none.
        {"file_names": np.array([1]), "embeddings": np.zeros((1, 3), "f4")},
        {
            "file_names": np.array(["a"]),
            "embeddings": np.zeros((1, 3), np.float32),
            "labels": np.zeros(1, np.int64),
            "class_names": np.array([1.5]),
        },
    ):
        np.savez(path, **arrays)
        with pytest.raises(InputError, match="whole .npz file of embeddings"):
            tables.read(path)


@pytest.mark.parametrize("name", ["t.json", "t", "t.npy"])
def test_unknown_suffixes_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="to end in .npz, .csv, .parquet"):
        tables.check_suffix(tmp_path / name, "--output")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="which is not there"):
        tables.read(tmp_path / "t.npz")
