"""Committed figures, the page that shows them, and how they come in."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil

import numpy as np
import pytest

from and_tf.scan.config import ClusterConfig
from and_tf.sweeping.command import CLUSTER
from and_tf.sweeping.grid import runs_of, varied
from and_tf.training.config import TrainConfig
from and_tf.utils.errors import InputError
from benchmarks import (
    commands,
    pages,
    paper,
    result_files,
    result_rows,
    results_page,
)
from benchmarks.harness.record import HERE

SCAN = "scan/cifar10/kmeans"
RESULT = json.dumps(
    {
        "dataset": "cifar10",
        "backbone": "small",
        "num_examples": 50_000,
        "image_size": 24,
        "rounds": 1,
        "epochs": 2,
        "seconds": 60.0,
        "knn_top1_last": 0.5,
        "knn_top1_best": 0.25,
        "knn_protocol": {
            "classifier": "weighted kNN",
            "K": 200,
            "temperature": 0.1,
            "queries": "cifar10/test",
            "gallery_last": "clean",
            "gallery_best": "memory bank",
        },
        "knn_baselines": {"raw pixels": 0.45},
        "neighbourhoods": [{"round": 0, "knn_clean": 0.5}],
        "machine": {"cpus": 2, "processor": "x86_64", "gpus": 0},
        "finished": "2026-11-21T09:33:46+00:00",
        "versions": {"tensorflow": "2.21.0"},
    }
)


def finished(path: pathlib.Path, config: TrainConfig, **changes) -> None:
    """A run's directory, as far as its figures go."""
    path.mkdir(parents=True)
    (path / "flags.cfg").write_text(config.to_flagfile())
    content = json.loads(RESULT) | {"seed": config.seed} | changes
    (path / "result.json").write_text(json.dumps(content))


@pytest.fixture
def kept(tmp_path) -> pathlib.Path:
    return tmp_path / "kept"


def add(source, kept, **changes) -> dict:
    options = {"name": "new", "title": "T"} | changes
    path = result_files.add(source, directory=kept, **options)
    return json.loads(path.read_text())


@pytest.mark.parametrize(
    "name, command",
    [
        ("RESULTS.md", "results"),
        ("SPEED.md", "speed --nomeasure"),
        ("GPU.md", "gpu --nomeasure"),
        ("LOAD.md", "load --nomeasure"),
        ("PEERS.md", "peers --page"),
    ],
)
def test_pages_are_what_the_committed_files_say(name, command):
    render, results = pages.PAGES[name]
    assert (HERE / name).read_text("utf-8") == render(results), (
        f"Run python -m benchmarks.{command}."
    )


def test_committed_files_name_rows_that_there_are_and_no_places():
    for file in result_files.read_all().values():
        paper.check_rows([*file["about"], *file["reproduces"]])
        assert "/home" not in str(file) and "/tmp" not in str(file)
        commands.config_of(file["command"].replace("…", "images"))


def test_every_row_has_a_name_of_its_own_and_a_command_that_is_one():
    rows = paper.paper_rows()
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        if row["command"]:
            commands.config_of(row["command"])


@pytest.mark.parametrize(
    "flags",
    [
        "--flagfile=configs/quick.flags",
        "--flagfile=configs/quick.flags --temperature=0.2 --rounds=3",
        "--flagfile=configs/cub200.flags --selection=one_off",
        "--dataset=digits",
        "--flagfile=configs/scan_small_cifar10.flags --heads=9 --run_dir=…",
    ],
)
def test_the_shortest_command_makes_the_config_again(flags):
    main = "cluster" if "scan_" in flags else "train"
    command = f"python -m and_tf.{main} {flags}"
    config = commands.config_of(command)
    assert commands.run_command(config) == command


def test_a_run_is_taken_in_without_its_places(tmp_path, kept):
    config = commands.config_of("python -m x --flagfile=configs/quick.flags")
    finished(tmp_path / "run", config)
    file = add(tmp_path / "run", kept, about=["table4/resnet18"])
    assert file["command"].endswith("train --flagfile=configs/quick.flags")
    (row,) = file["rows"]
    assert row["seeds"] == [0]
    assert row["figures"] == {
        "knn_top1_last": [0.5],
        "knn_top1_best": [0.25],
        "round_0": [0.5],
    }
    assert str(tmp_path) not in json.dumps(file)
    page = results_page.render(paper.paper_rows(), result_files.read_all(kept))
    assert "Table 4, CIFAR10, ResNet18, kNN top-1: 86.3" in page
    assert "needs a GPU; beside it: `new`" in page


def test_a_sweep_is_taken_in_with_all_seeds(tmp_path, kept):
    base = commands.config_of(
        "python -m x --flagfile=configs/small_cifar10.flags"
    )
    vary = varied(["neighbourhood_size=10,5"])
    values = {}
    for i, run in enumerate(runs_of(base, vary, 3, tmp_path / "sweep")):
        seed, k = run.config.seed, run.config.neighbourhood_size
        values[k, seed] = 0.4 + 0.03 * i
        finished(
            run.path,
            run.config,
            knn_top1_last=values[k, seed],
            knn_baselines={"raw pixels": 0.45, "untrained encoder": seed / 4},
        )
    file = add(tmp_path / "sweep", kept)
    assert file["command"] == (
        "python -m and_tf.sweep --flagfile=configs/small_cifar10.flags "
        "--vary=neighbourhood_size=5,10 --seeds=3 --sweep_dir=…"
    )
    page = results_page.render([], {"new": file})
    for row, k in zip(file["rows"], (5, 10), strict=True):
        assert row["values"] == {"neighbourhood_size": k}
        assert row["seeds"] == [0, 1, 2]
        expected = [values[k, seed] for seed in range(3)]
        assert row["figures"]["knn_top1_last"] == expected
        mean, deviation = np.mean(expected), np.std(expected, ddof=1)
        assert f"{100 * mean:.1f} ± {100 * deviation:.1f}" in page
    assert "raw pixels 45.0, untrained encoder 25.0 ± 25.0." in page

    shutil.rmtree(tmp_path / "sweep" / "neighbourhood_size=5" / "seed_1")
    with pytest.raises(InputError, match=r"\[0, 1\].*: \[0, 2\] of \(5,\)"):
        add(tmp_path / "sweep", kept)


def test_rows_whose_weights_have_seen_labels_are_marked(tmp_path, kept):
    vary = varied(["encoder=small,efficientnet_lite0"])
    told = {"source": "/home/me/lite.pth", "labels": "unknown", "sha256": "0"}
    for run in runs_of(TrainConfig(), vary, 1, tmp_path / "sweep"):
        helped = run.config.encoder != "small"
        finished(run.path, run.config, pretrained=told if helped else None)
    file = add(tmp_path / "sweep", kept)
    assert [row.get("pretrained") for row in file["rows"]] == [
        told | {"source": "lite.pth"}, None,
    ]  # fmt: skip
    page = results_page.render([], {"new": file})
    assert "| efficientnet_lite0 † |" in page and "| small " in page
    assert page.count("†") == 2
    assert "labels: lite.pth, which have seen unknown labels" in page

    file["rows"] = [row | {"reproduces": ["x"]} for row in file["rows"][:1]]
    row = {
        "id": "x", "where": "T", "what": "w", "measure": "kNN", "missing": "",
        "published": 86.3, "figure": "knn_top1_last",
    }  # fmt: skip
    published = results_page.published([row], {"new": file})
    assert "50.0 † (`new`)" in published and "† begun" in published


def test_what_runs_differ_in_is_not_said_of_all(tmp_path, kept):
    vary = varied(["encoder=small,resnet18"])
    for run in runs_of(TrainConfig(), vary, 1, tmp_path / "sweep"):
        finished(run.path, run.config, backbone=run.config.encoder)
    file = add(tmp_path / "sweep", kept)
    assert (file["backbone"], file["image_size"]) == (None, 24)
    assert file["baselines"] == {}
    page = results_page.render([], {"new": file})
    assert "\n50,000 images, 24 pixels a side, 2 epochs, 2 CPU cores" in page


def test_a_figure_that_not_all_have_says_so(tmp_path, kept):
    """A linear classifier of one seed's last, and another's first, epoch."""
    for seed, epochs in enumerate((2, 1, None)):
        layers = [{"layer": "conv5", "sgd_top1": 0.5 + seed / 4}]
        linear = {"layers": layers, "epochs": epochs, "protocol": {}}
        finished(
            tmp_path / "sweep" / "default" / f"seed_{seed}",
            TrainConfig(seed=seed),
            evaluation={"linear": linear} if epochs else {},
        )
    file = add(tmp_path / "sweep", kept)
    figures = file["rows"][0]["figures"]
    assert figures["linear_conv5"] == [0.5, None, None]
    page = results_page.render([], {"new": file})
    assert "conv5 50.0 (1 of 3)." in page


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/x/a/seed_0", "/x/b/seed_0"], ["a/seed_0", "b/seed_0"]),
        (["runs/and", "rotation"], ["and", "rotation"]),
        (["a/run", "run"], ["a/run", "run"]),
    ],
)
def test_directories_are_told_apart(paths, names):
    assert result_rows.shortest(paths) == dict(zip(paths, names, strict=True))


def test_only_the_papers_recipe_stands_in_its_row(tmp_path, kept):
    recipe = "python -m x --flagfile=configs/cifar10.flags --selection=one_off"
    finished(tmp_path / "run", commands.config_of(recipe))
    file = add(tmp_path / "run", kept, reproduces=["table6/one_off"])
    page = results_page.render(paper.paper_rows(), {"new": file})
    assert "84.2" in page and "25.0 (`new`)" in page

    finished(tmp_path / "other", commands.config_of(f"{recipe} --rounds=3"))
    with pytest.raises(InputError, match="with another rounds"):
        add(tmp_path / "other", kept, reproduces=["table6/one_off"])


def test_one_run_stands_in_the_rows_of_knn_and_of_linear(tmp_path, kept):
    rows = ["table1/cifar10/and/knn", "table1/cifar10/and/linear"]
    recipe = "python -m x --flagfile=configs/cifar10.flags --encoder=alexnet"
    finished(tmp_path / "run", commands.config_of(recipe))
    with pytest.raises(InputError, match="asks for, linear, conv5"):
        add(tmp_path / "run", kept, reproduces=rows)
    layers = [{"layer": "conv5", "sgd_top1": 0.75, "ridge_top1": 0.7}]
    linear = {"layers": layers, "epochs": 2, "protocol": {}}
    evaluated = {"evaluation": {"linear": linear}}
    finished(tmp_path / "again", commands.config_of(recipe), **evaluated)
    file = add(tmp_path / "again", kept, reproduces=rows, note="As it should.")
    page = results_page.render(paper.paper_rows(), {"new": file})
    assert "25.0 (`new`)" in page and "75.0 (`new`)" in page
    assert "Linear, SGD: conv5 75.0." in page and "As it should." in page


def clustered(path: pathlib.Path, config: ClusterConfig, **changes) -> None:
    """A clustering's directory, as far as its figures go."""
    result = {
        "acc": 0.5,
        "nmi": 0.25,
        "ari": 0.125,
        "kmeans": {"acc": 0.375},
        "kind": "scan",
        "cluster_sizes": [5, 5],
        "uses_labels": False,
        "without_labels": {"silhouette": 0.625},
        "pretext": {"pretext": "and", "backbone": "small", "rounds": 1,
                    "epochs": 2, "run_dir": config.run_dir},
        "protocol": {"matched_on": "cifar10/test", "num_queries": 10_000,
                     "epoch": "last"},
    }  # fmt: skip
    result = json.loads(RESULT) | {"seed": config.seed} | result | changes
    path.mkdir(parents=True)
    (path / "flags.cfg").write_text(config.to_flagfile())
    (path / "result.json").write_text(json.dumps(result))


def test_clusterings_of_several_runs_are_taken_in(tmp_path, kept):
    trained = "python -m and_tf.train --flagfile=configs/small_cifar10.flags"
    finished(tmp_path / "runs" / "and", commands.config_of(trained))
    texts = [f"run_dir={tmp_path}/runs/and,{tmp_path}/runs/gone"]
    vary = varied(texts, CLUSTER)
    base = commands.config_of(
        "python -m and_tf.cluster --flagfile=configs/scan_small_cifar10.flags"
    )
    for run in runs_of(base, vary, 2, tmp_path / "sweep"):
        clustered(run.path, run.config)
    file = add(tmp_path / "sweep", kept, about=["scan/table2/nce"])
    assert str(tmp_path) not in json.dumps(file)
    assert file["command"] == (
        "python -m and_tf.sweep --command=cluster "
        "--flagfile=configs/scan_small_cifar10.flags "
        "--vary=run_dir=and,gone --seeds=2 --sweep_dir=…"
    )
    assert [row["values"] for row in file["rows"]] == [
        {"run_dir": "and"}, {"run_dir": "gone"},
    ]  # fmt: skip
    page = results_page.render(paper.paper_rows(), {"new": file})
    assert f"On an encoder (and, 2 epochs) of\n`{trained}`." in page
    assert "37.5 ± 0.0" in page and "0.625 ± 0.000" in page
    assert "matched on cifar10/test, 10,000 images" in page
    assert "RotNet" in page and "beside it: `new`" in page


def test_a_clustering_stands_in_a_row_with_the_run_that_it_is_of(
    tmp_path, kept
):
    row = next(r for r in paper.paper_rows() if r["id"] == SCAN)
    place = str(tmp_path / "run")
    recipe = dataclasses.replace(
        commands.config_of(row["command"]), run_dir=place
    )
    clustered(tmp_path / "scan", recipe)
    with pytest.raises(InputError, match="with another run_dir"):
        add(tmp_path / "scan", kept, reproduces=[SCAN])
    finished(tmp_path / "run", commands.config_of(f"{row['on']} --rounds=3"))
    with pytest.raises(InputError, match="with another rounds"):
        add(tmp_path / "scan", kept, reproduces=[SCAN])
    shutil.rmtree(place)
    finished(tmp_path / "run", commands.config_of(row["on"]))
    file = add(tmp_path / "scan", kept, reproduces=[SCAN])
    page = results_page.render(paper.paper_rows(), {"new": file})
    assert "37.5 (`new`)" in page

    with pytest.raises(InputError, match="figure that scan/cifar10/kmeans"):
        add(tmp_path / "run", kept, reproduces=[SCAN])


def test_an_oracle_is_called_one(tmp_path, kept):
    config = ClusterConfig(run_dir="nowhere", mining="oracle")
    clustered(tmp_path / "scan", config, uses_labels=True)
    file = add(tmp_path / "scan", kept)
    assert "--mining=oracle" in file["command"]
    page = results_page.render([], {"new": file})
    assert "labels were used in training" in page


def test_refuses(tmp_path, kept):
    with pytest.raises(InputError, match="without a result.json"):
        add(tmp_path, kept)
    finished(tmp_path / "run", TrainConfig())
    with pytest.raises(InputError, match="Received: table9. There are: table1"):
        add(tmp_path / "run", kept, about=["table9"])
    for seed, version in enumerate(("2.20", "2.21")):
        path = tmp_path / "sweep" / "default" / f"seed_{seed}"
        finished(path, TrainConfig(seed=seed), versions={"tensorflow": version})
    with pytest.raises(InputError, match="the same versions in all runs"):
        add(tmp_path / "sweep", kept)
    shutil.rmtree(path)
    assert add(tmp_path / "sweep", kept)["rows"][0]["seeds"] == [0]
    unfinished = tmp_path / "run" / "result.json"
    unfinished.write_text(json.dumps({"evaluation": {}}))
    with pytest.raises(InputError, match="Expected a finished run"):
        add(tmp_path / "run", kept)
