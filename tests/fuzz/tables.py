"""Tries tables of embeddings in all formats, and their sidecars."""

from __future__ import annotations

import io
import json
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from and_tf.utils import escaping
from export.embeddings import tables
from export.embeddings.formats import Rows
from export.embeddings.index import Index
from tests.fuzz.arrays import ARRAYS, Drawn
from tests.fuzz.json_edits import Edited, edited
from tests.fuzz.mutations import Damaged, damaged
from tests.fuzz.target import Target, answer

N, D = 4, 3
_VALUES = np.linspace(-1, 1, N * D, dtype=np.float32).reshape(N, D)
_NAMES = ("a.png", "b,\r\n.png", "=c.png", "\u00e9.png")
_SIDECARS = {"json": {"count": N, "images": "x", "root": "", "model": "m"}}
_KEYS = ("file_names", "embeddings", "labels", "class_names")
_CELLS = (
    "a", "", "1", "0", "2", "-1", "-2", "1e999", "nan", "9" * 400, "\x00", "é",
    "1.5", "99999999999", '"', "_1_0",
)  # fmt: skip


def make(directory: pathlib.Path) -> Target:
    """Makes a target that reads a table and searches it."""
    files = {
        f"{kind}{suffix}": _content(directory, suffix, kind == "labelled")
        for suffix in tables.SUFFIXES
        for kind in ("labelled", "plain")
    }
    arrays = st.dictionaries(st.sampled_from(_KEYS), ARRAYS, max_size=3)
    cells = st.lists(st.sampled_from(_CELLS), min_size=4, max_size=6)
    columns = st.dictionaries(
        st.sampled_from(("file_name", "embedding", "label", "class_name")),
        ARRAYS | st.just(None),
        max_size=3,
    )
    contents = st.one_of(
        damaged(files),
        arrays.map(lambda value: (".npz", value)),
        st.lists(cells, max_size=3).map(lambda value: (".csv", value)),
        columns.map(lambda value: (".parquet", value)),
    )

    def check(value: tuple[Damaged | tuple, Edited]) -> None:
        table, note = value
        if isinstance(table, Damaged):
            path = directory / f"read{pathlib.Path(table.name).suffix}"
            path.write_bytes(table.content(files))
        else:
            path = directory / f"read{table[0]}"
            path.write_bytes(_MAKERS[table[0]](table[1]))
        tables.sidecar(path).write_bytes(note.content(_SIDECARS))
        index = answer(lambda: Index.read(path))
        if index is not None:
            _search(index)
            answer(lambda: index.pictures([0]))

    return Target(st.tuples(contents, edited(_SIDECARS)), check)


def _content(directory: pathlib.Path, suffix: str, labelled: bool) -> bytes:
    rows = Rows(
        count=N,
        embedding_dim=D,
        name=lambda row: _NAMES[row],
        embeddings=lambda: iter([_VALUES]),
        labels=np.arange(N) % 3 - 1 if labelled else None,
        class_names=("cat", "dog") if labelled else None,
    )
    path = directory / f"made{suffix}"
    with open(path, "wb") as file:
        tables.write(file, suffix, rows)
    return path.read_bytes()


def _search(index: Index) -> None:
    """Searches a table as `export.search` does."""
    table = index.table
    texts = (*table.file_names, *(table.class_names or ()))
    assert all(isinstance(text, str) for text in texts), texts
    query = answer(lambda: index.query(table.file_names[0]))
    if query is None:
        return
    found = answer(lambda: index.search(query, 1))
    for row in (*(found[0] if found else ()), query.row):
        escaping.for_console(table.class_name(row))
        escaping.for_console(table.file_names[row])


def _npz(changed: dict[str, Drawn]) -> bytes:
    arrays = {
        "file_names": np.array(_NAMES),
        "embeddings": _VALUES,
        "labels": np.arange(N) % 2,
        "class_names": np.array(["cat", "dog"]),
    }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays | {k: one.array for k, one in changed.items()})
    return buffer.getvalue()


def _csv(rows: list[list[str]]) -> bytes:
    head = "file_name,label,class_name,e0,e1"
    lines = [head, "a,0,cat,0.5,1", *map(",".join, rows)]
    return "\n".join(lines).encode()


def _parquet(changed: dict[str, Drawn | None]) -> bytes:
    """Makes a Parquet file with changed columns; None omits some values."""
    flat = pa.array(_VALUES.ravel())
    columns = {
        "file_name": pa.array(_NAMES),
        "embedding": pa.FixedSizeListArray.from_arrays(flat, D),
        "label": pa.array(np.arange(N) % 2),
        "class_name": pa.array(["cat", "dog"] * (N // 2)),
    }
    for name, one in changed.items():
        values = [columns[name][0].as_py(), None] * (N // 2)
        if one is None:
            columns[name] = pa.array(values, columns[name].type)
        elif one.array.dtype.kind in "fiubU":
            columns[name] = pa.array(np.resize(one.array, N))
    about = {b"class_names": json.dumps(["cat", 3]).encode()}
    table = pa.table(columns)
    if "class_name" in changed:
        table = table.replace_schema_metadata(about)
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


_MAKERS = {".npz": _npz, ".csv": _csv, ".parquet": _parquet}
