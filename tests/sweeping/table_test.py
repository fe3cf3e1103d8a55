"""A sweep's table, against NumPy."""

from __future__ import annotations

import csv
import io
import pathlib

import numpy as np
import pytest

from and_tf.scan.config import ClusterConfig
from and_tf.sweeping import table
from and_tf.sweeping.command import CLUSTER
from and_tf.sweeping.grid import runs_of, varied
from and_tf.sweeping.run_status import Outcome
from and_tf.training.config import TrainConfig
from and_tf.utils import provenance

PROTOCOL = {
    "K": 200,
    "temperature": 0.1,
    "queries": "digits/test",
    "gallery_last": "clean embeddings of the training images",
    "gallery_best": "memory bank, best epoch on the queries",
}


def result(seed: int, last: float, best: float | None, rounds: list[float]):
    return {
        "seed": seed,
        "seconds": 90.0,
        "knn_top1_last": last,
        "knn_top1_best": best,
        "knn_protocol": PROTOCOL,
        "neighbourhoods": [
            {"round": r, "knn_clean": value} for r, value in enumerate(rounds)
        ],
    }


@pytest.fixture
def rows(rng) -> tuple[list[table.Row], np.ndarray]:
    """k = 1 and 5 with three seeds; the last run of k = 5 has failed."""
    runs = runs_of(
        TrainConfig(), varied(["neighbourhood_size=1,5"]), 3, pathlib.Path("s")
    )
    values = rng.uniform(size=(6, 4))
    ends = [
        Outcome("done", "", result(r.config.seed, v[0], v[1], list(v[2:])))
        for r, v in zip(runs, values)
    ]
    ends[-1] = Outcome("failed", "error: Expected more.")
    return table.rows_of(runs, ends), values


def test_csv_has_means_and_deviations(rows, tmp_path):
    rows, values = rows
    table.write(tmp_path, rows, TrainConfig(neighbourhood_size=5, rounds=2))
    text = (tmp_path / "table.csv").read_text()
    first, second = csv.DictReader(io.StringIO(text))
    assert (first["seeds"], second["seeds"]) == ("0 1 2", "0 1")
    names = ("knn_top1_last", "knn_top1_best", "round_0", "round_1")
    for row, of_row in ((first, values[0::2]), (second, values[1:5:2])):
        for name, column in zip(names, of_row.T, strict=True):
            assert float(row[f"{name}_mean"]) == pytest.approx(column.mean())
            assert float(row[f"{name}_sd"]) == pytest.approx(column.std(ddof=1))


def test_markdown_says_what_is_what(rows, tmp_path):
    rows, values = rows
    table.write(tmp_path, rows, TrainConfig(neighbourhood_size=5, rounds=2))
    text = (tmp_path / "table.md").read_text()
    mean, deviation = (100 * f(values[0::2, 0]) for f in (np.mean, _sd))
    assert f"{mean:.1f} ± {deviation:.1f}" in text
    assert "| 2/3 " in text and "1.5" in text
    assert "K = 200" in text and "memory bank" in text
    assert "- neighbourhood_size=5: error: Expected more." in text
    assert "--rounds=2\n" in text and "--neighbourhood_size" not in text
    # A mean of two seeds is not held against one of three.
    assert "**" not in text


def _sd(values: np.ndarray) -> float:
    return np.std(values, ddof=1)


def test_the_best_mean_is_bold():
    rows = [
        table.Row({"k": k}, [result(0, last, None, [0.5])], [Outcome("done")])
        for k, last in ((1, 0.25), (5, 0.75), (9, 0.5))
    ]
    lines = table.lines(rows).splitlines()
    assert [line.count("**75.0**") for line in lines] == [0, 0, 0, 1, 0]
    assert "**50.0**" not in table.lines(rows)  # The same in all rows.
    assert "bank" not in lines[0]
    assert len(set(map(len, lines))) == 1


def test_what_labels_have_helped_is_marked_and_told(tmp_path):
    told = {"pretrained": {"source": "imagenet", "labels": "ImageNet-1k"}}
    free = {"pretrained": {"source": "runs/a", "labels": "none"}}
    done = [Outcome("done")]
    rows = [
        table.Row({"encoder": e}, [result(0, x, None, []) | more], done)
        for e, x, more in (
            ("small", 0.25, {}), ("runs/a", 0.5, free), ("lite", 0.75, told)
        )
    ]  # fmt: skip
    lines = table.lines(rows).splitlines()
    assert ["†" in line for line in lines] == [False] * 4 + [True]
    # The best of those that compare with each other.
    assert "**50.0**" in lines[3] and "**" not in lines[4]
    table.write(tmp_path, rows, TrainConfig())
    text = (tmp_path / "table.md").read_text()
    note = f"† {provenance.HELPED}: imagenet, which have seen ImageNet-1k.\n"
    assert note in text
    with open(tmp_path / "table.csv", newline="") as file:
        seen = [row["seen_labels"] for row in csv.DictReader(file)]
    assert seen == ["False", "False", "True"]

    alone = [table.Row({}, rows[2].results, done)]
    assert "| 1/1 † |" in table.lines(alone)


def test_without_labels_there_are_runs_but_no_accuracies(tmp_path):
    bare = result(0, None, None, [None]) | {"knn_protocol": None}
    rows = [table.Row({}, [bare], [Outcome("done")])]
    table.write(tmp_path, rows, TrainConfig())
    assert "No labels" in (tmp_path / "table.md").read_text()


def clustering(seed: int, acc: float | None, **told) -> dict:
    return {
        "seed": seed,
        "seconds": 30.0,
        "acc": acc,
        "nmi": acc,
        "ari": acc,
        "kmeans": acc and {"acc": acc / 2},
        "kind": "scan",
        "cluster_sizes": [1, 2],
        "protocol": {"matched_on": "digits/test", "num_queries": 150},
        "without_labels": {"silhouette": 0.125, "clusters_used": 9} | told,
    }


def test_clusterings_have_a_second_table_that_needs_no_labels(tmp_path):
    base = ClusterConfig(run_dir="runs/x", heads=3)
    runs = runs_of(base, varied(["clusters=5,10"], CLUSTER), 2, tmp_path)
    results = [
        clustering(0, 0.25),
        clustering(0, 0.5, silhouette=0.25),
        clustering(1, 0.75, clusters_used=10),
        clustering(1, 0.5, silhouette=0.5),
    ]
    ends = [Outcome("done", "", one) for one in results]
    rows = table.rows_of(runs, ends)
    first, second = table.lines(rows).split("\n\n")
    assert "| 2/2   | 50.0 ± 35.4 |" in first and "25.0 ± 17.7" in first
    assert first.count("k-means ACC") == 1 and "| 0.5  " in first
    assert "| 5        | 0.125 ± 0.000     | 9.5 ± 0.7 |" in second
    assert "| 10       | **0.375 ± 0.177** | 9         |" in second
    table.write(tmp_path, rows, base)
    text = (tmp_path / "table.md").read_text()
    assert "matched on digits/test, 150 images" in text
    assert "to choose C by" in text and "labels were used" not in text
    # The run that all are of is told; what is the sweep's own is not.
    assert text.endswith("all runs:\n\n    --run_dir=runs/x\n    --heads=3\n")

    helped = [clustering(0, 0.5), clustering(0, 0.5) | {"uses_labels": True}]
    table.write(tmp_path, [table.Row({}, helped, [Outcome("done")])], base)
    text = (tmp_path / "table.md").read_text()
    assert text.count("labels were used") == text.count("matched on") == 1

    bare = [table.Row({}, [clustering(0, None)], [Outcome("done")])]
    table.write(tmp_path, bare, base)
    text = (tmp_path / "table.md").read_text()
    assert "No labels" in text and "ACC" not in text and "minutes" in text
