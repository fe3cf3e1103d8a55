"""Figures of finished runs, kept as small JSON files in benchmarks/results/.

    {
      "title": "CIFAR-10, `make demo`",
      "reproduces": [],            ids in paper_rows.json whose recipe it is
      "about": ["table6/one_off"], ids of rows that ask the same question
      "note": "",                  what is to be seen in it, in words
      "command": "python -m and_tf.train …",
      "dataset", "backbone", "num_examples", "image_size", "rounds", "epochs",
      "precision": "float32",
      "protocol": {"K": 200, …},
      "baselines": {"raw pixels": [0.4508, …], …},     a value a seed
      "machines": [{"cpus": 2, …}], "versions": {…}, "date": "2026-11-21",
      "varied": ["selection"],
      "rows": [{"values": {"selection": "one_off"}, "seeds": [0, 1],
                "seconds": [263.8, …], "images_per_second": [2487.0, …],
                "reproduces": [],    those of the file's whose recipe it is
                "figures": {"knn_top1_last": [0.519, …], "round_0": […],
                            "linear_stage4": […], …}}]
    }

A clustering's has "of" as well, a command and what else is known of each run
that was clustered; its protocol has "matched_on".

Accuracies are fractions, a value a seed, null of a run without. What runs
differ in, such as epochs or backbone, is null. Nothing in it names a place on
the machine that it was made on.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from and_tf.sweeping.command import CLUSTER, TRAIN, command_of
from and_tf.sweeping.metrics import gather, is_clustering, linear_of
from and_tf.training import config as configs
from and_tf.training import result_file
from and_tf.training.config import RunConfig, TrainConfig
from and_tf.utils import atomic_files
from and_tf.utils.errors import InputError
from benchmarks import commands

HERE = pathlib.Path(__file__).parent
RESULTS = HERE / "results"
SAME = ("dataset", "backbone", "num_examples", "image_size")
# What makes the figures of two clusterings comparable.
MATCHED = ("matched_on", "num_queries", "epoch")
# What a run may have otherwise than the paper's recipe: neither the paper nor
# its authors' code name a seed or a number format. The page says the latter.
LEFT_OPEN = ("seed", "precision")
PRETEXT = ("pretext", "backbone", "rounds", "epochs")
Run = tuple[RunConfig, dict[str, Any]]


def paper_rows() -> list[dict[str, Any]]:
    """Every published figure; benchmarks/paper_rows.json."""
    return json.loads((HERE / "paper_rows.json").read_text("utf-8"))


def read_all(directory: pathlib.Path = RESULTS) -> dict[str, dict[str, Any]]:
    """All result files by their names, in order."""
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
    """Takes the figures of a run or a sweep into a result file.

    Args:
        source: The directory of a finished run, or of a sweep.
        name: The file's, without a suffix.
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
        _check_recipe(found, row)
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


def check_rows(ids: Sequence[str]) -> None:
    """Refuses ids that no row of the paper has.

    Raises:
        InputError: If there is one.
    """
    known = [row["id"] for row in paper_rows()]
    unknown = [one for one in ids if one not in known]
    if unknown:
        raise InputError(
            f"Expected ids of benchmarks/paper_rows.json. Received: "
            f"{', '.join(unknown)}. There are: {', '.join(known)}."
        )


def _runs(source: pathlib.Path) -> list[Run]:
    """The finished runs of a directory, sorted by their seeds."""
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
    config = configs.from_run(command.config, path / "flags.cfg")
    return config, result


def _shared(
    found: Sequence[Run], source: pathlib.Path, reproduces: Sequence[str]
) -> dict[str, Any]:
    """All that a result file says of runs, but title and rows."""
    first, result = found[0]
    _check_alike(found, source)
    varied = _varied([config for config, _ in found])
    shown = _Shown([config for config, _ in found])
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
        "rounds": _one({r.get("rounds") for _, r in found}),
        "epochs": _one({r["epochs"] for _, r in found}),
        "precision": _one({config.precision for config, _ in found}),
        "protocol": _protocol(result),
        "baselines": {} if None in same.values() else _baselines(found),
        **_clustered(found),
        "machines": _distinct([r["machine"] for _, r in found]),
        "versions": result["versions"],
        "date": max(r["finished"] for _, r in found)[:10],
        "varied": varied,
        "rows": _rows(found, varied, shown, reproduces),
    }


def _varied(found: Sequence[RunConfig]) -> list[str]:
    """Flags, but the seed, that runs differ in."""
    first, command = found[0], command_of(found[0])
    names = {n for one in found for n in command.differences(one, first)}
    ordered = [*first.run_fields(), *command.inputs]
    return [n for n in ordered if n in names and n != "seed"]


class _Shown:
    """Values of flags as they may be published.

    A directory is a machine's; of it are shown as many of its last names as
    tell it from the others.
    """

    def __init__(self, found: Sequence[RunConfig]) -> None:
        self._names = {}
        for name in CLUSTER.inputs:
            paths = {getattr(one, name, "") for one in found}
            self._names[name] = shortest(paths)

    def value(self, config: RunConfig, name: str) -> Any:
        """A flag's, or the name of the directory that it is."""
        value = getattr(config, name)
        return self._names[name][value] if name in self._names else value


def shortest(paths: Collection[str]) -> dict[str, str]:
    """As many last parts of each path as no two have in common."""
    parts = {path: pathlib.PurePath(path).parts for path in paths}
    for count in range(1, max(map(len, parts.values()), default=0) + 1):
        names = {path: "/".join(p[-count:]) for path, p in parts.items()}
        if len(set(names.values())) == len(names):
            return names
    return {path: path for path in paths}


def _baselines(found: Sequence[Run]) -> dict[str, list[float]]:
    """What kNN gives without training, a value a seed."""
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
    """How the figures came about; None without labels."""
    if not is_clustering(result):
        return result["knn_protocol"]
    if result["acc"] is None:
        return None
    return {name: result["protocol"][name] for name in MATCHED}


def _clustered(found: Sequence[Run]) -> dict[str, Any]:
    """Of clusterings, the runs that were clustered, and if labels helped."""
    if not is_clustering(found[0][1]):
        return {}
    runs = []
    for config, result in found:
        pretext = {name: result["pretext"][name] for name in PRETEXT}
        trained = _trained(config)
        command = commands.run_command(trained) if trained else None
        runs.append({"command": command, **pretext})
    labels = any(result["uses_labels"] for _, result in found)
    return {"of": _distinct(runs), "uses_labels": labels}


def _trained(config: RunConfig) -> TrainConfig | None:
    """The config of the run that was clustered, if it still lies there."""
    flagfile = pathlib.Path(config.run_dir) / "flags.cfg"
    if not flagfile.is_file():
        return None
    return configs.from_run(TrainConfig, flagfile)


def _check_alike(found: Sequence[Run], source: pathlib.Path) -> None:
    """Refuses what is not to be averaged or compared.

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
    """Each value once, in order."""
    return [x for i, x in enumerate(values) if x not in values[:i]]


def _one(values: set) -> Any:
    """The value that all share, None where they differ."""
    return values.pop() if len(values) == 1 else None


def _rows(
    found: Sequence[Run],
    varied: Sequence[str],
    shown: _Shown,
    reproduces: Sequence[str],
) -> list[dict[str, Any]]:
    groups: dict[tuple, list[Run]] = {}
    for config, result in found:
        key = tuple(shown.value(config, name) for name in varied)
        groups.setdefault(key, []).append((config, result))
    _check_seeds(groups)
    return [
        {
            "values": dict(zip(varied, key, strict=True)),
            "seeds": [config.seed for config, _ in group],
            "seconds": [result["seconds"] for _, result in group],
            "images_per_second": [
                result.get("train_images_per_second") for _, result in group
            ],
            "reproduces": [
                row for row in reproduces if not _apart(group[0][0], row)
            ],
            "figures": gather([result for _, result in group]),
        }
        for key, group in sorted(groups.items())
    ]


def _check_seeds(groups: Mapping[tuple, Sequence[Run]]) -> None:
    """Refuses seeds that the command of the sweep would not give.

    Raises:
        InputError: If one is missing, or there twice.
    """
    first = min(group[0][0].seed for group in groups.values())
    for key, group in groups.items():
        seeds = [config.seed for config, _ in group]
        wanted = list(range(first, first + len(seeds)))
        if seeds != wanted:
            raise InputError(
                f"Expected the seeds {wanted} of each combination. Received: "
                f"{seeds} of {key}."
            )


def _check_recipe(found: Sequence[Run], row: str) -> None:
    """Lets only the paper's own recipe stand in the paper's row.

    Raises:
        InputError: If no run has it.
    """
    wanted = _row(row)
    have = gather([result for _, result in found])
    if None in have.get(wanted["figure"], [None]):
        raise InputError(
            f"Expected runs with the figure that {row} asks for, "
            f"{wanted['measure']}. Received: {', '.join(have) or 'none'}. "
            "Evaluate it first, or give the row as --about."
        )
    names = min((_apart(config, row) for config, _ in found), key=len)
    if names:
        raise InputError(
            f"Expected the recipe of {row} ({wanted['command']}). Received a "
            f"run with another {', '.join(names)}. Give it as --about, which "
            "tells it beside the row."
        )


def rows_of(config: TrainConfig, figure: str) -> list[str]:
    """Finds the rows of the paper whose recipe a training has.

    Args:
        config: The training's.
        figure: The name of the figure that the rows give.

    Returns:
        Their ids.
    """
    return [
        row["id"]
        for row in paper_rows()
        if row["figure"] == figure
        and "on" not in row
        and not _apart(config, row["id"])
    ]


def _row(row_id: str) -> dict[str, Any]:
    return next(row for row in paper_rows() if row["id"] == row_id)


def _apart(config: RunConfig, row_id: str) -> list[str]:
    """Flags in which a run is of another recipe than the paper's row."""
    row = _row(row_id)
    names = _differing(config, commands.config_of(row["command"]))
    if "on" in row:
        trained, start = _trained(config), commands.config_of(row["on"])
        names += _differing(trained, start) if trained else ["run_dir"]
    return names


def _differing(config: RunConfig, recipe: RunConfig) -> list[str]:
    return [
        name
        for name in config.run_fields()
        if name not in LEFT_OPEN
        and getattr(config, name) != getattr(recipe, name)
    ]
