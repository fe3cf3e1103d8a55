"""The page and its pictures, from files as trainings write them."""

from __future__ import annotations

import json

import pytest

from benchmarks import pages
from benchmarks.peers import page, plot, record
from benchmarks.peers.budget import Budget
from benchmarks.peers.setting import OURS, Setting

REPORT = {
    "seconds": 590.0,
    "steps": 5_000,
    "epochs": 14.2,
    "views_seen": 1_280_000,
    "batch_size": 128,
    "view_size": 32,
    "learning_rate": 0.06,
    "versions": {"torch": "2.14"},
}
PEER = {
    "views_share": 0.62,
    "pace": {"seconds_a_step": 0.1, "workers": 2},
}


def write(directory, side, minutes, plain, **changes):
    options = {"seed": 0} | changes
    setting = Setting(side, Budget("minutes", minutes), **options)
    peer = {} if side == OURS else {**PEER, "views": setting.views}
    report = {**REPORT, **peer}
    knn = {"plain": plain, "whitened": plain + 0.05}
    return record.write(directory, setting, report, knn)


@pytest.fixture
def directory(tmp_path):
    write(tmp_path, "byol", 30, 0.6)
    write(tmp_path, "byol", 10, 0.5)
    write(tmp_path, "byol", 10, 0.52, seed=1)
    write(tmp_path, OURS, 10, 0.55)
    write(tmp_path, "byol", 10, 0.56, views="fast")
    write(tmp_path, "byol", 10, 0.99, split="test")
    return tmp_path


def cells(text: str, begin: str) -> list[str]:
    """The cells of the first row that begins so."""
    row = next(x for x in text.splitlines() if x.startswith(f"| {begin} "))
    return [cell.strip() for cell in row.split("|")[1:-1]]


def test_a_page_without_files_claims_nothing(tmp_path):
    assert pages.peers_text(tmp_path).endswith("\nnot run yet\n")


def test_a_row_a_side_and_two_columns_a_budget(directory):
    text = pages.peers_text(directory)
    held_out, test = text.split("## Equal minutes, the test split")
    row = cells(held_out, "BYOL, lightly views")
    # The mean of two seeds with its deviation, then the longer one.
    assert row[1:] == ["51.0 ± 1.4", "56.0 ± 1.4", "60.0", "65.0"]
    title = page.TITLES[OURS]
    assert cells(held_out, title)[1:] == ["55.0", "60.0", "", ""]
    assert cells(held_out, "BYOL, fast views")[1] == "56.0"
    assert cells(test, "BYOL, lightly views")[1:] == ["99.0", "104.0"]
    # Ours stands first.
    names = [x for x in held_out.splitlines() if x.startswith("| ")]
    assert names[2].startswith(f"| {title}")


def test_what_it_took_is_told(directory):
    (row,) = (
        line
        for line in pages.peers_text(directory).splitlines()
        if "62 %" in line and "30 minutes" in line
    )
    values = [cell.strip() for cell in row.split("|")[1:-1]]
    assert values[1:] == [
        "30 minutes", "0", "590", "14.2", "1.28", "128", "62 %", "2",
    ]  # fmt: skip


def test_figures_of_a_few_images_are_no_results(directory):
    assert "no result" not in pages.peers_text(directory)
    write(directory, "byol", 1, 0.2, max_train_examples=2000)
    assert "**On a few images only" in pages.peers_text(directory)


def test_curves_and_pictures(directory, tmp_path):
    found = record_files(directory)
    files = page.chosen_of(found, "held_out", "minutes")
    curves = plot.curves(files, "plain")
    assert curves["BYOL, lightly views"] == [
        (10, pytest.approx(51)), (30, pytest.approx(60)),
    ]  # fmt: skip
    drawn = plot.draw_all(found, tmp_path / "drawn")
    assert [path.name for path in drawn] == [
        "peers_held_out_minutes.png", "peers_test_minutes.png",
    ]  # fmt: skip
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in drawn)
    assert not plot.draw_all([], tmp_path)


def record_files(directory) -> list[dict]:
    return [json.loads(p.read_text()) for p in sorted(directory.glob("*.json"))]
