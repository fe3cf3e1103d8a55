"""The tables of arms in docs/neighbourhoods.md, and how they are made."""

from __future__ import annotations

import json
import re

import pytest

from benchmarks.neighbours import page


def test_the_page_has_the_tables_of_the_files():
    text = page.PATH.read_text("utf-8")
    assert page.filled(text) == text, (
        "Run python -m benchmarks.neighbours --page."
    )
    studies = set(re.findall(r"<!-- arms: (\w+) \w+ -->", text))
    there = {path.name.rpartition("_")[0] for path in page.RESULTS.iterdir()}
    assert studies == there


def test_all_arms_of_a_study_were_trained_alike():
    for place in page.RESULTS.iterdir():
        arms = [json.loads(p.read_text("utf-8")) for p in place.glob("*.json")]
        shared = ("flags", "branch_epoch", "refresh_epochs")
        assert len({json.dumps([a[k] for k in shared]) for a in arms}) == 1
        assert str(arms[0]["flags"].get("seed", 0)) == place.name[-1]
        assert "dir" not in "".join(arms[0]["flags"])


@pytest.fixture
def results(tmp_path):
    """Two seeds of two arms, and a third seed without anything beside it."""
    for seed, none, other in ((0, 0.5, 0.52), (1, 0.6, 0.59), (2, None, 0.9)):
        for arm, knn in (("none", none), ("similar_half", other)):
            if knn is None:
                continue
            rounds = [{"right": 0.5}, {"right": 0.25}] if arm != "none" else []
            path = tmp_path / f"photos_{seed}" / f"{arm}.json"
            path.parent.mkdir(exist_ok=True)
            figures = {"kind": {"learnt": knn, "whitened": knn + 0.1}}
            path.write_text(json.dumps({"knn": figures, "rounds": rounds}))
    (tmp_path / "photos_more_0").mkdir()
    return tmp_path


def test_a_table_has_means_and_a_difference_for_each_seed(results):
    text = "before\n<!-- arms: photos kind -->\nold\n<!-- end -->\nafter"
    found = page.filled(text, results)
    head, none, other = (
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in found.splitlines()
        if line.startswith("|") and "--" not in line
    )
    assert head[0] == "arm"
    assert none == ["`none`", "", "55.0 ± 7.1", "", "65.0 ± 7.1", ""]
    assert other == ["`similar_half`", "50 %, 25 %", "55.5 ± 4.9", "+2.0, −1.0",
                     "65.5 ± 4.9", "+2.0, −1.0"]  # fmt: skip
    assert "old" not in found
    assert page.filled(found, results) == found
