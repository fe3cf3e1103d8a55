"""Tries an edited result.json on the commands that use its figures."""

from __future__ import annotations

import pathlib

from and_tf.scan import console
from and_tf.scan.directory import ClusterDirectory
from and_tf.sweeping import metrics
from and_tf.training import results
from and_tf.training.run_directory import RunDirectory
from and_tf.utils import schemas
from tests.fuzz.json_edits import Edited, edited
from tests.fuzz.target import Target, answer
from tests.fuzz.valid_results import RESULTS


def make(directory: pathlib.Path) -> Target:
    """Makes a target that reads a result, uses it and adds an evaluation."""
    found = RunDirectory(directory)

    def use() -> None:
        result = found.read_result()
        found.evaluations()
        found.evaluations("round_1")
        if result is None:
            return
        names = metrics.gather([result, result])
        for column in (c for table in metrics.tables(names) for c in table):
            metrics.measure(column).text(names[column])
        metrics.caption([result])
        metrics.headline(result)
        if schemas.is_clustering(result):
            console.show(ClusterDirectory(directory), result)
        else:
            results.show(found, result)

    def add() -> None:
        found.add_evaluation("knn", {"top1": 0.5})
        assert found.evaluations()["knn"] == {"top1": 0.5}

    def check(value: Edited) -> None:
        found.result.write_bytes(value.content(RESULTS))
        answer(use)
        answer(add)

    return Target(edited(RESULTS), check)
