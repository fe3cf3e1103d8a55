"""Tries the files of an exploration that later ones read, and users write."""

from __future__ import annotations

import pathlib

import numpy as np
from hypothesis import strategies as st

from and_tf.exploring import clusters, labelling, marked
from and_tf.exploring.measured import of_rows
from and_tf.exploring.store import Row, State, Store
from tests.fuzz.mutations import Damaged, damaged
from tests.fuzz.target import Target, answer

FILES = ("a/0.png", "a/1.png", "=b/2.png", "ü.png")
D, C = 3, 2
_DIGEST = "0" * 64
_TABLES = {
    "names.csv": "cluster,name\n0,cats\n1,=dogs\n",
    "labels.csv": "file,label\na/0.png,cat\nü.png,dog\n",
    "not_duplicates.csv": "file,other_file\na/0.png,a/1.png\n",
}


def make(directory: pathlib.Path) -> Target:
    """Makes a target that reads these files as an exploration does."""
    clusters.write(directory / "clusters.npz", _kept())
    with Store(directory / "made", _DIGEST) as store:
        store.add([(n, State(1, 2), _row(i)) for i, n in enumerate(FILES)])
    part = store.path / "part-000000.npz"
    files = {name: text.encode() for name, text in _TABLES.items()}
    files["clusters.npz"] = (directory / "clusters.npz").read_bytes()
    files["part.npz"] = part.read_bytes()
    images = of_rows(
        FILES, FILES, [1] * len(FILES), enumerate(map(_row, range(4))), "", ()
    )
    lines = st.lists(
        st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
        max_size=4,
    )
    tables = st.tuples(st.sampled_from(sorted(_TABLES)), lines)

    def check(value: Damaged | tuple[str, list[str]]) -> None:
        if isinstance(value, Damaged):
            name, content = value.name, value.content(files)
        else:
            name, cells = value
            head = _TABLES[name].partition("\n")[0]
            content = "\n".join([head, *cells]).encode()
        path = directory / name
        if name == "part.npz":
            part.write_bytes(content)
            with Store(directory / "made", _DIGEST) as found:
                if found.knows(FILES[0], State(1, 2)):
                    for _, row in found.rows(FILES[:1]):
                        assert row.grey.shape == (64, 64)
            return
        path.write_bytes(content)
        if name == "clusters.npz":
            kept = answer(lambda: clusters.read(path))
            if kept is not None:
                answer(lambda: clusters.as_before(_found(), FILES, kept))
        elif name == "names.csv":
            told = answer(lambda: clusters.read_names(str(path)))
            if told is not None:
                answer(lambda: clusters.name(_found(), told))
        elif name == "labels.csv":
            answer(lambda: labelling.read(str(path), FILES, [""] * 4))
        else:
            pairs = answer(lambda: marked.read_apart(path, images))
            assert pairs is None or pairs.shape[1:] == (2,)

    return Target(damaged(files) | tables, check)


def _found() -> clusters.Clusters:
    rows = np.eye(4, D, dtype=np.float32) + 0.1
    return clusters.assign(rows, rows[:C], [""] * C)


def _kept() -> clusters.Kept:
    found = _found()
    return clusters.Kept(
        found.centres,
        np.array(FILES),
        found.assigned,
        np.array(["cats", ""]),
        np.zeros(4, np.float32),
        np.eye(4, D, dtype=np.float32),
        np.array("mark"),
    )


def _row(number: int) -> Row:
    return Row(
        sha256=f"{number:064}",
        pixels_sha256=f"{number:064}",
        width=8,
        height=8,
        orientation=1,
        taken="",
        has_place=False,
        truncated=False,
        measures=np.zeros(4, np.float32),
        grey=np.zeros((64, 64), np.uint8),
        chroma=np.zeros((8, 8, 2), np.uint8),
        thumbnail=b"jpeg",
        embedding=np.zeros(D, np.float32),
    )
