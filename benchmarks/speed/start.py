"""Measure how long it takes until something happens, in new processes."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile

from benchmarks.harness.comparison import (
    Case,
    Comparison,
    Side,
    Target,
    Work,
    seconds,
)
from benchmarks.speed import sides

IMPORT = "TensorFlow's own import"


def first_batch(
    threads: int, dataset: str, memory_gib: float, first: bool
) -> Work:
    """Prepare to load a prepared data set and to augment a batch."""
    if first:
        _forget_copies()
    sides.start_tensorflow(threads)
    from and_tf import data
    from and_tf.augmentation import ViewConfig
    from and_tf.data.pipeline import train_batches

    def begin() -> None:
        limit = int(memory_gib * 2**30)
        split = data.load(dataset, memory_limit=limit).train
        view = ViewConfig(split.image_shape[0])
        batches = train_batches(split, view, batch_size=128, seed=0, epochs=1)
        next(iter(batches))

    return Work(seconds(begin))


def import_alone(threads: int, dataset: str, first: bool) -> Work:
    """Prepare a Python that does nothing else."""
    del threads, dataset, first
    return Work(seconds(lambda: run("-c", "import tensorflow")))


def training(threads: int, dataset: str, first: bool) -> Work:
    """Prepare `python -m and_tf.train` until its first step is done."""
    del threads

    def begin() -> None:
        if first:
            _forget_copies()
        with tempfile.TemporaryDirectory() as run_dir:
            run(
                "-m",
                "benchmarks.speed.first_step",
                f"--dataset={dataset}",
                "--encoder=small",
                "--nobaselines",
                f"--run_dir={run_dir}/run",
            )

    return Work(seconds(begin))


def _forget_copies() -> None:
    """Make this process, and those it starts, find no decoded images."""
    cache = os.path.expanduser("~/.cache")
    os.environ.setdefault("MPLCONFIGDIR", os.path.join(cache, "matplotlib"))
    place = tempfile.TemporaryDirectory()
    atexit.register(place.cleanup)
    os.environ["XDG_CACHE_HOME"] = place.name


def run(*arguments: str) -> None:
    """Run a Python of its own; what it prints is shown if it fails."""
    subprocess.run(
        [sys.executable, *arguments],
        check=True,
        stdout=sys.stderr,
        stdin=subprocess.DEVNULL,
    )


def _cases(dataset: str) -> list[Case]:
    rows = (
        ("held in memory, the first time", 4.0, True),
        ("held in memory, again", 4.0, False),
        ("streamed, --memory_gib=0", 0.0, False),
    )
    return [
        Case(
            f"{dataset}, {title}",
            {"dataset": dataset, "memory_gib": gib, "first": first},
            Target(3.0),
        )
        for title, gib, first in rows
    ]


DATA = Comparison(
    name="data_start",
    title="From a prepared data set to the first batch",
    does=(
        "Loading, as training does it, and the first batch of 128 augmented "
        "images, imports not counted; each time in a new process, the files "
        "in the system's cache. The first time, images are decoded and kept "
        "so; again, they are found decoded. A streamed set starts alike "
        "however large it is: so does ImageNet, which was not at hand."
    ),
    unit="s",
    sides=(Side("and_tf", first_batch),),
    cases=_cases("cifar10"),
    quick=_cases("digits")[:1],
    fresh=True,
)
TRAINING = Comparison(
    name="train_start",
    title="From the command to the end of the first training step",
    does=(
        "`python -m and_tf.train --encoder=small --nobaselines`, from the "
        "start of its process, and a process that does nothing but import "
        "TensorFlow. Again: images are found decoded by a process before."
    ),
    unit="s",
    sides=(
        Side("and_tf.train", training),
        Side(IMPORT, import_alone, alike=False, note="less work: a bound"),
    ),
    cases=[
        Case(
            f"cifar10, {title}",
            {"dataset": "cifar10", "first": first},
            Target(3.0, (IMPORT,), more=True),
        )
        for title, first in (("the first time", True), ("again", False))
    ],
    quick=[
        Case(
            "digits",
            {"dataset": "digits", "first": False},
            Target(3.0, (IMPORT,), more=True),
        )
    ],
)
