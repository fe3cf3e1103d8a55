"""Interrupts trainings at random moments, and compares their results.

    python -m tests.soak --interruptions=20
    python -m tests.soak --interruptions=20 --what=embed

The second line interrupts another command, see `soak_jobs`.

Real processes run the command that a user would run, again and again. They are
killed or terminated, or find their newest checkpoint truncated, the size of
files limited as on a full disk, or their directory read-only. In the end each
run has to be the same, to the bit, as an uninterrupted one.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

import numpy as np
from absl import app, flags
from PIL import Image
from sklearn.datasets import load_digits

from and_tf.training.run_directory import RunDirectory
from tests import soak_jobs
from tests.same_run import assert_same_run

ROOT = pathlib.Path(__file__).parents[1]
KINDS = ("kill", "terminate", "truncate", "full disk", "read-only")
DATA_SETS = ("digits", "folder")
LONGEST = 300  # The time limit of a process, in seconds.
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE = 24, 1

# A run of some seconds that has checkpoints within epochs, several rounds and
# a smaller last batch.
OPTIONS = (
    "--encoder=small",
    "--embedding_dim=16",
    "--rounds=2",
    "--epochs_per_round=4",
    "--batch_size=20",
    "--checkpoint_steps=5",
    "--checkpoint_seconds=0",
    "--evaluate_every=1",
    "--bank_initialiser=encoder",
    "--learning_rate_schedule=cosine",
    "--resume",
)


def soak(
    directory: pathlib.Path,
    interruptions: int,
    seed: int = 0,
    data_sets: Sequence[str] = DATA_SETS,
    say: Callable[[str], None] = print,
) -> None:
    """Interrupts runs of each data set, and compares those that finish.

    Args:
        directory: An empty directory for the runs.
        interruptions: The number of interruptions for each data set.
        seed: Random seed of the moments; the kinds of interruption take turns.
        data_sets: Names of data sets, from `DATA_SETS`.
        say: A function that gets a line of text for each event.

    Raises:
        AssertionError: If a run has another result, or a process ends with a
            stack trace or an unexpected exit code.
    """
    draw = random.Random(seed)
    for name in data_sets:
        options = [*OPTIONS, *_data_options(name, directory / "images")]
        whole = directory / f"{name}-whole"
        process = Process(options, whole)
        began = time.monotonic()
        assert process.finished(), process.output
        longest = time.monotonic() - began
        say(f"{name}: undisturbed in {longest:.1f} s from when it has its data")
        done = runs = 0
        while done < interruptions:
            runs += 1
            parts = directory / f"{name}-{runs}"
            while done < interruptions:
                kind, moment = KINDS[done % len(KINDS)], draw.random() * longest
                ended = _disturb(options, parts, kind, moment, draw)
                if ended == 0:
                    break  # The run finished before the interruption.
                done += 1
                say(
                    f"{name}: {kind} after {moment:.1f} s, exit code {ended}, "
                    f"newest checkpoint {_newest(parts)}"
                )
            process = Process(options, parts)
            assert process.finished(), process.output
            assert_same_run(RunDirectory(whole), RunDirectory(parts))
        say(f"{name}: {runs} runs, {done} interruptions, the same to the bit")


class Process:
    """The process of a training, which has loaded its data set.

    Args:
        options: The flags of the training.
        run_dir: The directory of the run.
        largest_file: The size limit of its files, in bytes; 0 for no limit.

    Attributes:
        output: The text that the process has printed.
    """

    def __init__(
        self, options: list[str], run_dir: pathlib.Path, largest_file: int = 0
    ) -> None:
        command = [sys.executable, "-m", "and_tf.train", *options]
        self._process = subprocess.Popen(
            [*command, f"--run_dir={run_dir}"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: _limit(largest_file),
        )
        self.output = ""
        for line in self._process.stdout:
            self.output += line
            if "/train:" in line:
                break

    def wait(self, seconds: float) -> None:
        """Waits until the process ends, or for so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the process."""
        self._process.send_signal(number)

    def end(self) -> int:
        """Waits until the process ends, and returns its exit code."""
        self.output += self._process.communicate(timeout=LONGEST)[0]
        return self._process.returncode

    def finished(self) -> bool:
        """Waits until the process ends; returns whether it succeeded."""
        return self.end() == 0


def _limit(largest_file: int) -> None:
    """Limits the child process before it runs the training."""
    # Root could write to read-only directories if it kept this capability.
    if os.geteuid() == 0 and sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)
    if largest_file:
        limits = (largest_file, resource.RLIM_INFINITY)
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def _disturb(
    options: list[str],
    run_dir: pathlib.Path,
    kind: str,
    moment: float,
    draw: random.Random,
) -> int:
    """Starts the run, disturbs it at a moment, and returns its exit code."""
    limit = draw.randrange(1000, 400_000) if kind == "full disk" else 0
    process = Process(options, run_dir, limit)
    process.wait(moment)
    if kind in ("kill", "truncate"):
        process.send(signal.SIGKILL)
    elif kind == "terminate":
        process.send(signal.SIGTERM)
    elif kind == "read-only":
        _protect(run_dir, 0o555)
    code = process.end()
    _protect(run_dir, 0o755)
    if kind == "truncate" and code:
        _truncate(run_dir, draw)
    assert "Traceback" not in process.output, process.output
    # -SIGTERM: the signal came before the first step, when nothing handles it.
    allowed = {
        "terminate": (0, 128 + signal.SIGTERM, -signal.SIGTERM),
        "full disk": (0, 1),
        "read-only": (0, 1),
    }.get(kind, (0, -signal.SIGKILL))
    assert code in allowed, (kind, code, process.output)
    return code


def _protect(run_dir: pathlib.Path, mode: int) -> None:
    """Sets the permissions of all directories of a run."""
    for path in (run_dir, *run_dir.rglob("*/")):
        path.chmod(mode)


def _truncate(run_dir: pathlib.Path, draw: random.Random) -> None:
    """Cuts the newest checkpoint short, as a power cut may."""
    paths = RunDirectory(run_dir).checkpoints.paths()
    if paths:
        size = paths[-1].stat().st_size
        os.truncate(paths[-1], draw.randrange(size))


def _newest(run_dir: pathlib.Path) -> str:
    paths = RunDirectory(run_dir).checkpoints.paths()
    return paths[-1].stem if paths else "none"


def _data_options(name: str, images: pathlib.Path) -> list[str]:
    """Returns the flags for digits in memory, or streamed from files."""
    if name == "digits":
        return ["--dataset=digits", "--max_train_examples=600"]
    if not images.exists():
        pixels, labels = load_digits(return_X_y=True)
        for i, (digit, label) in enumerate(zip(pixels[:300], labels)):
            path = images / str(label) / f"{i:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            grey = (digit.reshape(8, 8) * 255 / 16).astype(np.uint8)
            Image.fromarray(grey).save(path)
    return [
        "--dataset=folder",
        f"--data_dir={images}",
        "--image_size=8",
        "--memory_gib=0",
    ]


if __name__ == "__main__":
    _INTERRUPTIONS = flags.DEFINE_integer(
        "interruptions", 20, "Number of interruptions of each run."
    )
    _SEED = flags.DEFINE_integer(
        "seed", 0, "Random seed of the kinds and the moments of interruptions."
    )
    _WHAT = flags.DEFINE_enum(
        "what", "train", ["train", *soak_jobs.JOBS], "Command to interrupt."
    )

    def main(argv: Sequence[str]) -> None:
        del argv
        with tempfile.TemporaryDirectory() as directory:
            given = pathlib.Path(directory), _INTERRUPTIONS.value, _SEED.value
            if _WHAT.value == "train":
                soak(*given)
            else:
                soak_jobs.soak(soak_jobs.JOBS[_WHAT.value], *given)

    app.run(main)
