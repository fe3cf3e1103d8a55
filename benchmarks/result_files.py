"""Keep figures of finished runs as small JSON files in benchmarks/results/.

    {
      "title": "CIFAR-10, `make demo`",
      "reproduces": [],            ids in paper_rows.json whose recipe it is
      "about": ["table6/one_off"], ids of rows that ask the same question
      "note": "",                  what is to be seen in it, in words
      "command": "python -m and_tf.train …",
      "dataset", "backbone", "num_examples", "image_size", "epochs",
      "precision": "float32",
      "protocol": {"K": 200, …},
      "baselines": {"raw pixels": [0.4508, …], …},     a value a seed
      "machines": [{"cpus": 2, …}], "versions": {…}, "date": "2026-11-21",
      "varied": ["selection"],
      "rows": [{"values": {"selection": "one_off"}, "seeds": [0, 1],
                "seconds": [263.8, …], "images_per_second": [2487.0, …],
                "reproduces": [],    those of the file's whose recipe it is
                "pretrained": {"source": "imagenet", "labels": …, …},
                "figures": {"knn_top1_last": [0.519, …], "round_0": […],
                            "linear_stage4": […], …}}]
    }

A clustering's has "of" as well, a command and what else is known of each run
that was clustered; its protocol has "matched_on".

A row has "pretrained" only if its runs began with trained weights, and
"teacher", of the same form, only if a teacher's were learnt from. Accuracies
are fractions, a value a seed, null of a run without. What runs differ in, such
as epochs or backbone, is null. Nothing in it names a place on the machine that
it was made on.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence
from typing import Any

from and_tf.sweeping.command import CLUSTER, TRAIN, command_of
from and_tf.sweeping.metrics import linear_of
from and_tf.training import result_file
from and_tf.utils import atomic_files, flag_config
from and_tf.utils.errors import InputError
from and_tf.utils.schemas import is_clustering
from benchmarks import commands, result_rows
from benchmarks.harness.record import RESULTS
from benchmarks.paper import (
    Run,
    check_recipe,
    check_rows,
    trained_config,
)

SAME = ("dataset", "backbone", "num_examples", "image_size")
# What makes the figures of two clusterings comparable.
MATCHED = ("matched_on", "num_queries", "epoch")
PRETEXT = ("pretext", "epochs")


def read_all(directory: pathlib.Path = RESULTS) -> dict[str, dict[str, Any]]:
    """Read all result files, by their names, in order."""
    paths = sorted(directory.glob("*.json"))
    return {path.stem: json.loads(path.read_text("utf-8")) for path in paths}


def add(
    source: pathlib.Path,
    name: str,
    title: str,
    reproduces: Sequence[str] = (),
    about: Sequence[str] = (),
    note: str = "",
    directory: pathlib.Path = RESULTS,
) -> pathlib.Path:
    """Take the figures of a run or a sweep into a result file.

    Args:
        source: The directory of a finished run, or of a sweep.
        name: The name of the file, without a suffix.
        title: What it is, in words.
        reproduces: Rows of the paper whose very recipe it is; of a sweep,
            that of one of its combinations.
        about: Rows of the paper that it is told beside.
        note: What is to be seen in it, in words.
        directory: Where the file goes.

    Raises:
        InputError: If there is no finished run, the runs do not belong
            together, a seed is missing or twice there, or the recipe is not
            the rows'.
    """
    found = _runs(source)
    check_rows([*about, *reproduces])
    for row in reproduces:
        check_recipe(found, row)
    content = {
        "title": title,
        "reproduces": list(reproduces),
        "about": list(about),
        "note": note,
        **_shared(found, source, reproduces),
    }
    path = directory / f"{name}.json"
    atomic_files.write_json(path, content)
    return path


def _runs(source: pathlib.Path) -> list[Run]:
    """Read the finished runs of a directory, sorted by their seeds."""
    paths = [source, *sorted(source.glob("*/seed_*"))]
    runs = [_run(path) for path in paths if (path / "result.json").is_file()]
    if not runs:
        raise InputError(
            f"Expected the directory of a finished run or of a sweep. "
            f"Received: {source}, without a result.json."
        )
    return sorted(runs, key=lambda run: run[0].seed)


def _run(path: pathlib.Path) -> Run:
    result = result_file.read(path / "result.json")
    if "seconds" not in result:  # Evaluated before its end.
        raise InputError(
            f"Expected a finished run. Received: {path}, which was evaluated "
            "before its end. Train it on with --resume."
        )
    command = CLUSTER if is_clustering(result) else TRAIN
    config = flag_config.from_run(command.config, path / "flags.cfg")
    return config, result


def _shared(
    found: Sequence[Run], source: pathlib.Path, reproduces: Sequence[str]
) -> dict[str, Any]:
    """Return all that a result file tells but what `add` was given."""
    first, result = found[0]
    _check_alike(found, source)
    varied = result_rows.varied([config for config, _ in found])
    shown = result_rows.Shown([config for config, _ in found])
    vary = {
        name: sorted({shown.value(config, name) for config, _ in found})
        for name in varied
    }
    seeds = len({config.seed for config, _ in found})
    sweep = bool(vary) or seeds > 1
    same = {name: _one({r[name] for _, r in found}) for name in SAME}
    return {
        "command": commands.sweep_command(first, vary, seeds)
        if sweep
        else commands.run_command(first),
        **same,
        "epochs": _one({r["epochs"] for _, r in found}),
        "precision": _one({config.precision for config, _ in found}),
        "protocol": _protocol(result),
        "baselines": {} if None in same.values() else _baselines(found),
        **_clustered(found),
        "machines": _distinct([r["machine"] for _, r in found]),
        "versions": result["versions"],
        "date": max(r["finished"] for _, r in found)[:10],
        "varied": varied,
        "rows": result_rows.rows_of(found, varied, shown, reproduces),
    }


def _baselines(found: Sequence[Run]) -> dict[str, list[float]]:
    """Return what kNN gives without training, a value a seed."""
    of_seed = {
        config.seed: result["knn_baselines"]
        for config, result in found
        if result.get("knn_baselines")
    }
    names = dict.fromkeys(name for one in of_seed.values() for name in one)
    return {
        name: [one[name] for one in of_seed.values() if name in one]
        for name in names
    }


def _protocol(result: dict[str, Any]) -> dict[str, Any] | None:
    """Return how the figures came about; None without labels."""
    if not is_clustering(result):
        return result["knn_protocol"]
    if result["acc"] is None:
        return None
    return {name: result["protocol"][name] for name in MATCHED}


def _clustered(found: Sequence[Run]) -> dict[str, Any]:
    """Return which runs were clustered, and whether labels helped."""
    if not is_clustering(found[0][1]):
        return {}
    runs = []
    for config, result in found:
        pretext = {name: result["pretext"][name] for name in PRETEXT}
        trained = trained_config(config)
        command = commands.run_command(trained) if trained else None
        runs.append({"command": command, **pretext})
    labels = any(result["uses_labels"] for _, result in found)
    return {"of": _distinct(runs), "uses_labels": labels}


def _check_alike(found: Sequence[Run], source: pathlib.Path) -> None:
    """Check that runs may be averaged and compared.

    Raises:
        InputError: If runs differ in protocol or versions.
    """
    results = [result for _, result in found]
    for name, values in (
        ("command", [command_of(config).name for config, _ in found]),
        ("protocol", [_protocol(result) for result in results]),
        ("linear protocol", _linear_protocols(results)),
        ("versions", [result["versions"] for result in results]),
    ):
        kinds = _distinct(values)
        if len(kinds) > 1:
            raise InputError(
                f"Expected the same {name} in all runs of {source}. Received: "
                f"{'; '.join(map(json.dumps, kinds))}."
            )


def _linear_protocols(results: Sequence[dict[str, Any]]) -> list[Any]:
    found = [linear_of(r) for r in results if not is_clustering(r)]
    return [linear["protocol"] for linear in found if linear]


def _distinct(values: Sequence[Any]) -> list[Any]:
    """Return each value once, in order."""
    return [x for i, x in enumerate(values) if x not in values[:i]]


def _one(values: set) -> Any:
    """Return the value that all share, None where they differ."""
    return values.pop() if len(values) == 1 else None
