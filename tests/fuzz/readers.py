"""Tries tables, archives, shards, records and arrays on their readers."""

from __future__ import annotations

import itertools
import json
import os
import pathlib

from hypothesis import strategies as st

from and_tf import data
from and_tf.data.readers import splits
from and_tf.data.readers.reader import Reader, pixels, split_of
from tests.data.readers import twelve
from tests.fuzz.mutations import Damaged, damaged
from tests.fuzz.target import Target, answer

_WRITERS = (
    twelve.manifest_csv, twelve.manifest_jsonl, twelve.manifest_parquet,
    twelve.tfrecord, twelve.array_record, twelve.wds, twelve.wds_cls,
    twelve.zipped, twelve.tarred, twelve.arrays, twelve.packed_arrays,
    twelve.mapped_arrays,
)  # fmt: skip
_HEADS = ("path", "File", "label", "split", "", "x", "\ufeffpath", "a\0b")
_CELLS = (
    "train/cat/0.png", "./train/cat/0.png", "test", "train", "", "0", "-1",
    "1e400", "0.5", "nan", "../x.png", "/etc/passwd", "a\0.png", "gs://b/c.png",
    "caf\u00e9", "\u202e", '"', "\n", "x" * 5_000, "=1+1", "train",
)  # fmt: skip
_VALUES = (None, True, 2**70, -1.5, [], {"a": 1}, *_CELLS)
_TABLES = ("csv", "tsv", "jsonl")


def make(directory: pathlib.Path) -> Target:
    """Makes a target that opens data sets and reads all of their images."""
    os.environ["XDG_CACHE_HOME"] = str(directory / "cache")
    files: dict[str, bytes] = {}
    requests: dict[str, data.Request] = {}
    for write in _WRITERS:
        written = write(directory / write.__name__)
        for path in _files(written):
            name = str(path.relative_to(directory))
            place = str(written.place)
            requests[name] = data.Request(written.dataset, place)
            files[name] = path.read_bytes()
    cells = st.lists(st.sampled_from(_VALUES), max_size=4)
    heads = st.lists(st.sampled_from(_HEADS), max_size=4)
    tables = st.tuples(
        st.sampled_from(_TABLES), heads, st.lists(cells, max_size=4)
    )
    root = directory / twelve.manifest_csv.__name__
    counter = itertools.count()

    def check(value: Damaged | tuple[str, list, list]) -> None:
        if isinstance(value, Damaged):
            path, request = directory / value.name, requests[value.name]
            content, valid = value.content(files), files[value.name]
        else:
            # Another name each time, as a reader may keep what it found.
            path = root / f"drawn{next(counter)}.{value[0]}"
            content, valid = _table(*value), None
            request = data.Request("manifest", str(path))
        path.write_bytes(content)
        try:
            count = _images(request)
            assert content != valid or count == 12, count
        finally:
            path.write_bytes(valid or b"")

    return Target(damaged(files) | tables, check)


def _files(written: twelve.Written) -> list[pathlib.Path]:
    """Returns the files of a data set that its reader opens first."""
    if written.place.is_file():
        return [written.place]
    place = written.place if written.place.is_dir() else written.place.parent
    return sorted(path for path in place.rglob("*") if path.is_file())


def _table(ending: str, heads: list[str], rows: list[list]) -> bytes:
    if ending == "jsonl":
        lines = [json.dumps(dict(zip(heads, row))) for row in rows]
    else:
        mark = {"csv": ",", "tsv": "\t"}[ending]
        lines = [mark.join(map(str, row)) for row in (heads, *rows)]
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def _images(request: data.Request) -> int:
    """Opens a data set and reads its images; returns how many there are."""
    opened: list[Reader] = []

    def noting(name: str, reader: Reader, *labels) -> data.Split:
        opened.append(reader)
        return split_of(name, reader, *labels)

    splits.split_of = noting
    try:
        found = answer(lambda: data.find(request))
    finally:
        splits.split_of = split_of
    if found is None:
        return 0
    for split, reader in zip((found.train, found.test), opened, strict=False):
        assert split is not None and split.size == len(set(split.file_names))
        assert split.labels is None or len(split.labels) == split.size
        assert reader.identity() is None or len(reader.identity()) == 64
        for number in range(split.size):
            image = pixels(reader, number)
            assert image.dtype == "uint8" and image.shape[2:] == (3,)
    return sum(len(reader.names) for reader in opened)
