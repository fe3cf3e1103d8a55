"""Tries reports of runs whose result.json or metrics.csv is damaged."""

from __future__ import annotations

import pathlib

from hypothesis import strategies as st

from and_tf.finetuning.config import FinetuneConfig
from and_tf.finetuning.finetuned import Finetuned
from and_tf.reporting import cluster_page, finetune_page, run_page
from and_tf.scan.clustering import Clustering
from and_tf.scan.config import ClusterConfig
from and_tf.training.config import TrainConfig
from and_tf.training.run import Run
from tests.fuzz.json_edits import Edited, edited
from tests.fuzz.mutations import Damaged, damaged
from tests.fuzz.target import Target, answer
from tests.fuzz.valid_results import METRICS, PAGES


def make(directory: pathlib.Path) -> Target:
    """Makes a target that writes the page of a run without its data."""
    nowhere = str(directory / "nowhere")
    run = TrainConfig(dataset="folder", data_dir=nowhere, rounds=1)
    flags = {
        "training": run.to_flagfile(),
        "clustering": ClusterConfig(run_dir=nowhere).to_flagfile(),
        "finetuning": FinetuneConfig(run_dir=nowhere).to_flagfile(),
    }
    results = {name: PAGES[name] for name in flags}
    metrics = {"metrics": METRICS.encode()}
    page = directory / "report.html"

    def write(name: str) -> None:
        if name == "training":
            run_page.write(Run(directory), page)
        elif name == "clustering":
            cluster_page.write(Clustering(directory), page)
        else:
            finetune_page.write(Finetuned(directory), page)

    def check(value: tuple[Edited, Damaged]) -> None:
        result, rows = value
        (directory / "flags.cfg").write_text(flags[result.name])
        (directory / "result.json").write_bytes(result.content(results))
        (directory / "metrics.csv").write_bytes(rows.content(metrics))
        answer(lambda: write(result.name))

    return Target(st.tuples(edited(results), damaged(metrics)), check)
