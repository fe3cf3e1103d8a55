"""Train a peer in a Python environment of its own."""

from __future__ import annotations

import json
import pathlib
import subprocess
from typing import Any

from and_tf.utils.errors import InputError
from benchmarks.harness.programs import Launcher
from benchmarks.peers.setting import Setting, Task

NEEDS = ("torch", "torchvision", "lightly")


def check_python(python: str) -> None:
    """Check that an interpreter has what peers need.

    Raises:
        InputError: If it has not, or is none.
    """
    code = f"""import importlib.util as util
print([util.find_spec(name) is not None for name in {NEEDS}])"""
    try:
        found = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        found = ""
    if found.strip() != str([True] * len(NEEDS)):
        raise InputError(
            f"Expected --python, an interpreter with {', '.join(NEEDS)}. "
            f"Received: {python}, which is none. `make bench-peers` makes an "
            "environment with requirements-peers.txt."
        )


def train(
    setting: Setting,
    launcher: Launcher,
    place: pathlib.Path,
    images: pathlib.Path,
    measure_seconds: float,
    threads: int,
) -> dict[str, Any]:
    """Measure, train and embed; for the arguments see `setting.Task`.

    Args:
        setting: What is trained.
        launcher: Starts the process, in the peers' environment.
        place: The directory of its files; its features.npz is written.
        images: The file of the images.
        measure_seconds: How long the speed of one way to make views is
            measured.
        threads: Of PyTorch, and the most processes that make views.

    Returns:
        The content of its report.json.

    Raises:
        Failed: If the training ends with an error.
        Interrupted: If it was asked to end. It then begins anew.
    """
    place.mkdir(parents=True, exist_ok=True)
    path = place / "task.json"
    task = Task(setting, str(images), str(place), measure_seconds, threads)
    task.write(path)
    launcher.run(["-m", "benchmarks.peers.peer", str(path)], place / "log.txt")
    report = json.loads((place / "report.json").read_text("utf-8"))
    return {**report, **setting.variant}
