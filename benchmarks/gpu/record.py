"""Keep the figures of a card as a small JSON file in results/gpu/.

{
  "card": "NVIDIA H100 80GB HBM3", "devices": 1, "precision": "mixed_bfloat16",
  "command": "python -m benchmarks.gpu --level=smoke",
  "seed": 0, "machine": {"cpus": 16, …}, "versions": {…}, "date": "2026-11-27",
  "rates": [{"precision": "float32", "batch_size": 128,
             "images_per_second": 12345.6,     null if it was not measured
             "share_of_peak": 0.31,            null for an unknown card
             "losses": [8.1, …],               a mean an epoch
             "failure": ""}],
  "steps_an_epoch": 100,                       of the losses
  "training_flops_an_image": 3336110080,
  "parts": {"embed_test": 0.21, …} or null,    seconds
  "run": {"dataset", "backbone", "num_examples", "epochs", "seconds",
          "images_per_second", "epoch_seconds", "knn_top1_last", "protocol",
          "round_epochs", "round_seconds"} or null
}

The figures of the other levels are those of runs, and are kept as the results
of any run are: `benchmarks.result_files`.
"""

from __future__ import annotations

import pathlib
import re
import statistics
from collections.abc import Mapping
from typing import Any

from and_tf.sweeping.grid import SweepRun
from and_tf.training.config import TrainConfig
from and_tf.utils import atomic_files, flag_config
from benchmarks import paper, result_files
from benchmarks.gpu.arithmetic import share_of_peak
from benchmarks.gpu.levels import SMOKE, Plan
from benchmarks.gpu.smoke import Case, Smoke
from benchmarks.gpu.trial import read_metrics
from benchmarks.harness.record import RESULTS, circumstances


def of_smoke(smoke: Smoke) -> dict[str, Any]:
    """Collect what there is; what was not measured is null.

    Args:
        smoke: Whole, or as far as it came.
    """
    setting = smoke.setting
    result, parts = smoke.read_run() or {}, smoke.read_parts() or {}
    flops = parts.get("training_flops_an_image")
    usual = smoke.cases[0].batch_size
    return {
        "card": setting.card,
        "devices": setting.devices,
        "precision": setting.precision,
        "seed": 0,
        **circumstances(_command(smoke), result.get("versions", {})),
        "rates": [_rate(case, smoke, flops) for case in smoke.cases],
        "steps_an_epoch": -(-smoke.images // usual),
        "training_flops_an_image": flops,
        "parts": parts.get("seconds"),
        "run": _run(smoke, result, parts) if result else None,
    }


def _command(smoke: Smoke) -> str:
    flags = [f"--level={SMOKE}"]
    if smoke.setting.devices > 1:
        flags.append(f"--devices={smoke.setting.devices}")
    if smoke.setting.on_cpu:
        flags.append("--device=cpu")
    if smoke.setting.tiny:
        flags.append("--tiny")
    return f"python -m benchmarks.gpu {' '.join(flags)}"


def _rate(case: Case, smoke: Smoke, flops: int | None) -> dict[str, Any]:
    setting, done = smoke.setting, case.trial.done
    rate = case.trial.images_per_second if done else None
    share = None
    if rate and flops and not setting.on_cpu:
        share = share_of_peak(
            setting.card, case.precision, rate * flops, setting.devices
        )
    failure = ""
    if case.failure.is_file():
        failure = case.failure.read_text("utf-8").strip()
    return {
        "precision": case.precision,
        "batch_size": case.batch_size,
        "images_per_second": rate,
        "share_of_peak": share,
        "losses": case.trial.losses if done else [],
        "failure": _without_places(failure, smoke.place),
    }


def _run(
    smoke: Smoke, result: Mapping[str, Any], parts: Mapping[str, Any]
) -> dict[str, Any]:
    # The first epoch holds the compilation.
    rows = read_metrics(smoke.run)[1:]
    return {
        "dataset": result["dataset"],
        "backbone": result["backbone"],
        "num_examples": result["num_examples"],
        "epochs": result["epochs"],
        "seconds": result["seconds"],
        "images_per_second": statistics.median(
            float(row["images_per_second"]) for row in rows
        ),
        "epoch_seconds": statistics.median(
            float(row["seconds"]) for row in rows
        ),
        "knn_top1_last": result["knn_top1_last"],
        "protocol": result["knn_protocol"],
        "round_epochs": parts.get("round_epochs"),
        "round_seconds": parts.get("round_seconds"),
    }


def _without_places(text: str, place: pathlib.Path) -> str:
    """Leave directories out of a text: they are a machine's."""
    return text.replace(f"{place}/", "").replace(str(place), "…")


def write_smoke(smoke: Smoke, results: pathlib.Path) -> pathlib.Path:
    """Write the card's file.

    Args:
        smoke: Whole, or as far as it came.
        results: The directory of result files; cards have one in it.
    """
    setting = smoke.setting
    name = re.sub(r"\W+", "_", setting.card.lower()).strip("_")
    if setting.devices > 1:
        name += f"_x{setting.devices}"
    path = results / "gpu" / f"{name}.json"
    atomic_files.write_json(path, of_smoke(smoke))
    return path


def add_runs(plan: Plan, results: pathlib.Path = RESULTS) -> pathlib.Path:
    """Take the figures of a level's finished runs into a result file.

    Args:
        plan: Whose runs are all done.
        results: The directory of result files.

    Raises:
        InputError: If the runs do not belong together.
    """
    level = plan.level
    config = _trained(plan.runs[0])
    reproduced = paper.rows_of(config, level.row["figure"])
    about = [] if level.row_id in reproduced else [level.row_id]
    return result_files.add(
        plan.place,
        level.file_name,
        f"{config.dataset}, {config.encoder} on a GPU, AND and instance "
        f"learning, {plan.epochs_per_round} epochs a round",
        reproduced,
        about,
        _note(plan),
        results,
    )


def _note(plan: Plan) -> str:
    """Say how the runs hang together."""
    shared = any(_trained(run).start_from for run in plan.runs)
    text = (
        "Instance learning alone (`none`) has the epochs and the schedule of "
        "AND (`curriculum`)"
    )
    if not shared:
        return f"{text}."
    return (
        f"{text}, and has its epochs before the first discovery from the run "
        "of AND with the same seed (`--start_from`). They are the same steps; "
        "the minutes count them in both."
    )


def _trained(run: SweepRun) -> TrainConfig:
    """Return the flags that a run was trained with."""
    return flag_config.from_flagfile(TrainConfig, run.path / "flags.cfg")
