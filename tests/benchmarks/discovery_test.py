"""The look at a refresh, with figures that are known beforehand."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests import mains
from tests.conftest import unit


@pytest.fixture
def bank(rng, tmp_path):
    path = tmp_path / "bank.npy"
    np.save(path, unit(rng.normal(size=(200, 16))).astype(np.float32))
    return path


def test_all_cells_are_the_exact_search(bank, capsys):
    mains.run(
        "benchmarks.discovery",
        [f"--bank={bank}", "--k=1", "--repeats=1", "--search_probes=0",
         "--search_probes=1", "--search_probes=10000"],
    )  # fmt: skip
    head, exact, one, every = capsys.readouterr().out.splitlines()
    assert head.startswith("200 × 16, ")
    assert re.fullmatch(r"k =   1: .* s, memory \+.* MiB", exact)
    found = re.search(r", (\S+) % of the neighbours", one)
    assert 1 < float(found[1]) < 99
    assert every.endswith("100.0 % of the neighbours, "
                          "entropies off by 0.000 on average")  # fmt: skip


@pytest.mark.parametrize("rows", [np.zeros((4, 2)), np.zeros(3, np.float32)])
def test_other_arrays_are_refused(tmp_path, capsys, rows):
    np.save(tmp_path / "rows.npy", rows)
    flag = f"--bank={tmp_path / 'rows.npy'}"
    said = mains.refusal("benchmarks.discovery", [flag], capsys).err
    assert "expected float32 [N, D]" in said
    assert str(list(rows.shape)) in said


def test_no_file_is_refused(tmp_path, capsys):
    flag = f"--bank={tmp_path / 'none.npy'}"
    said = mains.refusal("benchmarks.discovery", [flag], capsys).err
    assert "--bank: cannot read" in said
