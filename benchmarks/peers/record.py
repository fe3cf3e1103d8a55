"""Keep the figures of a training as a small JSON file.

{
  "side": "simclr", "split": "held_out", "seed": 0,
  "budget": {"unit": "minutes", "amount": 10},
  "max_train_examples": 0,                 above 0, only to see it work
  "knn": {"plain": 0.5, "whitened": 0.6},  shares of the queries
  "protocol": {"K": 200, "temperature": 0.1, "gallery": "clean",
               "image_size": 32, "queries": "cifar10/train[45000:]"},
  "seconds": 598.2,                        of training alone
  "steps": 5321, "epochs": 15.1, "views_seen": 1362176,
  "batch_size": 128, "view_size": 32, "learning_rate": 0.06,
  "views": "lightly",                      of peers, and so the next
  "views_share": 0.3,                      of the seconds, waiting for views
  "pace": {"seconds_a_step": 0.1, "workers": 2},
  "command": "…", "machine": {…}, "versions": {…}, "date": "2026-11-28"
}
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from and_tf.utils import atomic_files
from benchmarks.harness.record import circumstances
from benchmarks.peers.evaluation import NEIGHBOURS, TEMPERATURE
from benchmarks.peers.setting import IMAGE_SIZE, SPLITS, Setting


def path_of(directory: pathlib.Path, setting: Setting) -> pathlib.Path:
    """Return the file of a training."""
    return directory / f"{setting.name}.json"


def write(
    directory: pathlib.Path,
    setting: Setting,
    report: Mapping[str, Any],
    knn: Mapping[str, float],
) -> pathlib.Path:
    """Write the file of a training that has ended.

    Args:
        directory: Of all files.
        setting: What was trained.
        report: What `ours.train` or `theirs.train` returned.
        knn: What `evaluation.evaluate` returned.
    """
    found = dict(report)
    versions = found.pop("versions")
    path = path_of(directory, setting)
    content = {
        "side": setting.side,
        "split": setting.split,
        "seed": setting.seed,
        "budget": dataclasses.asdict(setting.budget),
        "max_train_examples": setting.max_train_examples,
        "knn": dict(knn),
        "protocol": {
            "K": NEIGHBOURS,
            "temperature": TEMPERATURE,
            "gallery": "clean",
            "image_size": IMAGE_SIZE,
            "queries": f"cifar10/{SPLITS[setting.split][1]}",
        },
        **found,
        **circumstances(setting.command(), versions),
    }
    atomic_files.write_json(path, content)
    return path
