"""GPU.md, and how a level's runs come into the table of published figures."""

from __future__ import annotations

import dataclasses
import json

import pytest

from and_tf.utils.errors import InputError
from benchmarks import result_files, results_page
from benchmarks.gpu import page, record
from benchmarks.gpu.levels import LEVELS, Plan
from benchmarks.gpu.setting import Setting
from benchmarks.gpu.smoke import Smoke
from tests.benchmarks.gpu.smoke_test import L4, Card
from tests.benchmarks.results_test import finished

ON_L4 = {"cpus": 8, "processor": "x86_64", "gpus": 1, "gpu_names": [L4.card]}


def whole() -> str:
    return page.render(record.read_all(), result_files.read_all())


def test_the_page_is_what_the_committed_files_say():
    assert page.PAGE.read_text("utf-8") == whole(), (
        "Run python -m benchmarks.gpu --nomeasure."
    )


def test_committed_files_are_of_gpus_in_full_size():
    for file in record.read_all():
        assert "--tiny" not in file["command"]
        assert "cpu" not in file["command"]


def test_the_page_says_what_was_not_run():
    text = page.render([], {})
    assert text.count("Not run here") == 3
    for level in LEVELS.values():
        assert f": {level.row['published']} kNN top-1." in text


def test_a_card_on_the_page(tmp_path):
    smoke = Smoke(L4, tmp_path)
    smoke.measure(Card(fails="--batch_size=512"))
    record.write_smoke(smoke, tmp_path / "results" / "gpu")
    page.write(tmp_path / "results", tmp_path / "GPU.md")
    text = (tmp_path / "GPU.md").read_text("utf-8")
    assert "### NVIDIA L4\n" in text
    assert "| mixed_bfloat16 | 128           | 5,000        | 12.4 %" in text
    assert "| float32        | 512           | not measured | –" in text
    assert "float32, 512: Expected memory." in text
    assert "3.00 GFLOP an image" in text
    assert "| apart          | 0.00 %" in text
    assert "| training steps " in text and "took 9.0 s; 20.0 s" in text
    assert "at 5,000 images/s, and ends at kNN 50.0 (K = 200" in text
    assert str(tmp_path) not in text


def test_losses_apart():
    rates = [
        {"precision": name, "batch_size": 128, "losses": losses}
        for name, losses in (("a", [8.0, 5.0]), ("b", [8.08, 4.0]))
    ]
    text = page._losses({"rates": rates, "steps_an_epoch": 200})
    assert "to step 200 | to step 400" in text
    assert "| apart     | 1.00 %      | 25.00 %" in text


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Trains a level in no time; gives its plan."""

    def train(level: str, **changes) -> Plan:
        plan = Plan(LEVELS[level], L4, tmp_path / level)
        for run in plan.runs:
            shared = run.shared
            config = dataclasses.replace(
                plan.level.recipe,
                selection=run.selection,
                seed=run.seed,
                precision="mixed_bfloat16",
                run_dir=str(run.path),
                start_from=str(shared.path) if shared else "",
                **changes,
            )
            finished(
                run.path,
                config,
                knn_top1_best=(0.7 if shared else 0.8) + run.seed / 100,
                train_images_per_second=5000.0,
                machine=ON_L4,
                epochs=250,
            )
        return plan

    return train


def test_a_level_stands_beside_the_papers_row(trained, tmp_path):
    results = tmp_path / "results"
    record.add_runs(trained("published"), results)
    record.add_runs(trained("paper"), results)
    files = result_files.read_all(results)
    published, paper = files["gpu_published"], files["gpu_paper"]
    assert published["reproduces"] == ["epochs/50"]
    # The recipe of 86.3 has several rows.
    assert {"epochs/200", "table4/resnet18"} <= {*paper["reproduces"]}
    assert published["precision"] == "mixed_bfloat16"
    assert published["rows"][0]["images_per_second"] == [5000.0]
    assert "--start_from" in published["note"]
    assert str(tmp_path) not in json.dumps(files)

    rows = result_files.paper_rows()
    table = results_page.published(rows, files).splitlines()
    (line,) = (x for x in table if "CIFAR10, 50 epochs a round" in x)
    assert "| 83.3 " in line
    # AND's, not that of instance learning.
    assert "| 80.0 (`gpu_published`, mixed_bfloat16)" in line
    (line,) = (x for x in table if "CIFAR10, 200 epochs a round" in x)
    assert "| 81.0 ± 1.0 (`gpu_paper`, mixed_bfloat16)" in line
    text = results_page.render(rows, files)
    assert "mixed_bfloat16, NVIDIA L4, 8 CPU cores" in text
    assert "| images/s | minutes |" in text

    text = page.render([], files)
    assert text.count("Not run here") == 1
    assert "| AND                    | 0, 1, 2 | 81.0 ± 1.0" in text
    assert "| instance learning      | 0, 1, 2 | 71.0 ± 1.0" in text
    assert "NVIDIA L4, mixed_bfloat16; weighted kNN, K = 200" in text


def test_another_recipe_stands_only_beside_the_row(trained, tmp_path):
    path = record.add_runs(trained("published", flip=0.5), tmp_path / "results")
    file = json.loads(path.read_text())
    assert file["reproduces"] == [] and file["about"] == ["epochs/50"]


def test_of_a_sweep_one_combination_may_be_the_recipe(trained, tmp_path):
    plan = trained("published")
    with pytest.raises(InputError, match="another epochs_per_round"):
        result_files.add(
            plan.place, "new", "T", ["epochs/100"], directory=tmp_path
        )
    path = result_files.add(
        plan.place, "new", "T", ["epochs/50"], directory=tmp_path
    )
    rows = json.loads(path.read_text())["rows"]
    shown = {row["values"]["selection"]: row["reproduces"] for row in rows}
    assert shown == {"curriculum": ["epochs/50"], "none": []}


def test_cards_have_a_file_each(tmp_path):
    for card, devices in (("Tesla T4", 1), ("NVIDIA L4", 1), ("NVIDIA L4", 8)):
        setting = Setting("smoke", card, devices=devices)
        record.write_smoke(Smoke(setting, tmp_path / "none"), tmp_path / "gpu")
    names = [path.name for path in sorted((tmp_path / "gpu").iterdir())]
    assert names == ["nvidia_l4.json", "nvidia_l4_x8.json", "tesla_t4.json"]
    assert "8 × NVIDIA L4" in page.render(record.read_all(tmp_path / "gpu"), {})
