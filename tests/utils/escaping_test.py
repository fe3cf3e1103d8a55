"""Names that would do something to whoever reads them."""

from __future__ import annotations

import csv
import io
import os

import numpy as np
import pytest

from and_tf.utils import escaping
from export.embeddings import tables
from export.embeddings.formats import Rows

HOSTILE = [
    "=HYPERLINK(0)", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "a\rb", "a\nb",
    "'quoted'", "'=1", "''", "", "plain", "a,b", 'a"b', "\x1b]0;t\x07",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_csv_gives_every_text_back(name):
    assert escaping.from_csv(escaping.for_csv(name)) == name
    assert not escaping.for_csv(name).startswith(("=", "+", "-", "@", "\t"))


def test_a_table_of_hostile_names_is_no_formula_and_reads_back(tmp_path):
    labels = np.arange(len(HOSTILE), dtype=np.int64)
    vectors = np.linspace(-1, 1, 2 * len(HOSTILE), dtype=np.float32)
    embeddings = vectors.reshape(-1, 2)
    rows = Rows(
        len(HOSTILE),
        2,
        HOSTILE.__getitem__,
        lambda: iter([embeddings]),
        labels,
        tuple(HOSTILE),
    )
    path = tmp_path / "table.csv"
    with open(path, "wb") as file:
        tables.write(file, ".csv", rows)
    # As any other program reads it.
    text = path.read_bytes().decode()
    cells = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert len(cells) == len(HOSTILE) + 1
    for row in cells[1:]:
        for cell in (row[0], row[2]):
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    table = tables.read(path)
    assert table.file_names == table.class_names == tuple(HOSTILE)
    np.testing.assert_array_equal(table.embeddings, embeddings)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\rb\nc\td", "a\\rb\\nc\\td"),
        ("\x9b31m", "\\x9b31m"),
        ("evil\u202egnp.exe", "evil\\u202egnp.exe"),
        (os.fsdecode(b"caf\xe9"), "caf�"),
        ("café ½ 日本", "café ½ 日本"),
    ],
)
def test_names_are_visible_on_a_console(name, shown):
    assert escaping.for_console(name) == shown
