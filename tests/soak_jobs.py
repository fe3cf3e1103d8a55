"""Kills commands at random moments, and runs them again until they finish.

Each command is a job. Its inputs are made once, the output of an undisturbed
run is kept, and further runs of the same job are interrupted again and again.
`tests.soak --what=…` runs the jobs; `tests.soak` itself interrupts trainings.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from and_tf.scan.directory import ClusterDirectory
from and_tf.sweeping import claims
from and_tf.training.run_directory import RunDirectory
from tests.same_run import assert_same_run
from tests.scan.same_clustering import assert_same

ROOT = pathlib.Path(__file__).parents[1]
SIGNALS = (signal.SIGKILL, signal.SIGTERM)
LONGEST = 600  # The time limit of a process, in seconds.
_TRAINING = (
    "--dataset=digits",
    "--max_train_examples=600",
    "--encoder=small",
    "--embedding_dim=16",
    "--batch_size=20",
    "--checkpoint_steps=5",
    "--bank_initialiser=encoder",
)
_IMAGES = 30_000  # Embedding these takes some seconds.
_PHOTOS = 2_000  # Likewise, as files that are read.


@dataclasses.dataclass(frozen=True)
class Job:
    """A command that continues where it was interrupted.

    Attributes:
        command: A function of the inputs' directory and of the output's path
            that returns the arguments of Python.
        check: A function that compares an undisturbed output with an
            interrupted one.
        prepare: A function that makes the inputs in an empty directory.
        settle: A function that waits until no process works on an output.
        is_done: A function that returns whether an output is complete. A kill
            may come after that, and then the command, which writes new outputs
            only, cannot run again.
    """

    command: Callable[[pathlib.Path, pathlib.Path], list[str]]
    check: Callable[[pathlib.Path, pathlib.Path], None]
    prepare: Callable[[pathlib.Path], None] = lambda inputs: None
    settle: Callable[[pathlib.Path], None] = lambda output: None
    is_done: Callable[[pathlib.Path], bool] = lambda output: False


def soak(
    job: Job,
    directory: pathlib.Path,
    interruptions: int,
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> None:
    """Interrupts a job, and compares its outputs.

    Args:
        job: The job to interrupt.
        directory: An empty directory for inputs and outputs.
        interruptions: The number of interruptions.
        seed: Random seed of the moments; the signals take turns.
        say: A function that gets a line of text for each event.

    Raises:
        AssertionError: If the job has another output, or a process ends with
            a stack trace or an unexpected exit code.
    """
    draw = random.Random(seed)
    inputs = directory / "inputs"
    inputs.mkdir()
    job.prepare(inputs)
    whole = directory / "whole" / "output"
    longest = _undisturbed(job, inputs, whole)
    say(f"undisturbed in {longest:.1f} s from its first file")
    done = runs = 0
    while done < interruptions:
        runs += 1
        parts = directory / f"parts-{runs}" / "output"
        code = -1
        while code and done < interruptions and not job.is_done(parts):
            sent = SIGNALS[done % len(SIGNALS)]
            moment = draw.random() * longest
            code = _disturbed(job, inputs, parts, sent, moment)
            if code:  # Otherwise the job finished before the signal.
                done += 1
                say(f"{sent.name} after {moment:.1f} s, exit code {code}")
        if code and not job.is_done(parts):
            _undisturbed(job, inputs, parts)
        job.check(whole, parts)
    say(f"{runs} runs, {done} interruptions, the same in the end")


def _undisturbed(job: Job, inputs: pathlib.Path, output: pathlib.Path) -> float:
    """Runs a job to its end; returns the seconds since its first file."""
    process = _begin(job, inputs, output)
    began = time.monotonic()
    text = process.communicate(timeout=LONGEST)[0]
    assert process.returncode == 0, text
    return time.monotonic() - began


def _disturbed(
    job: Job,
    inputs: pathlib.Path,
    output: pathlib.Path,
    sent: signal.Signals,
    moment: float,
) -> int:
    """Runs a job, sends it a signal, and returns its exit code."""
    process = _begin(job, inputs, output)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    process.send_signal(sent)
    text = process.communicate(timeout=LONGEST)[0]
    assert "Traceback" not in text, text
    code = process.returncode
    # A process that handles SIGTERM ends with the exit code that shells use.
    allowed = (0, -sent) if sent == signal.SIGKILL else (0, -sent, 128 + sent)
    assert code in allowed, (sent, code, text)
    job.settle(output)
    return code


def _begin(
    job: Job, inputs: pathlib.Path, output: pathlib.Path
) -> subprocess.Popen[str]:
    """Starts a job, and waits until it changes a file."""
    output.parent.mkdir(exist_ok=True)
    before = _state(output.parent)
    process = subprocess.Popen(
        [sys.executable, *job.command(inputs, output)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while process.poll() is None and _state(output.parent) == before:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
    return process


def _state(place: pathlib.Path) -> set[tuple[str, int]]:
    """Returns the paths below a directory and their modification times."""
    found = set()
    for path in place.rglob("*"):
        with contextlib.suppress(OSError):  # The file was just removed.
            found.add((str(path), path.stat().st_mtime_ns))
    return found


def _call(*arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _train(inputs: pathlib.Path) -> None:
    run = inputs / "run"
    flags = ("--rounds=0", "--initial_epochs=2", f"--run_dir={run}")
    _call("and_tf.train", *_TRAINING, *flags)


def _export_and_images(inputs: pathlib.Path) -> None:
    _train(inputs)
    _call(*_export(inputs, inputs / "model")[1:])
    images = np.random.default_rng(0).integers(0, 256, (_IMAGES, 8, 8, 3))
    np.savez(inputs / "images.npz", images=images.astype(np.uint8))


def _cluster(inputs: pathlib.Path, output: pathlib.Path) -> list[str]:
    return [
        "-m",
        "and_tf.cluster",
        f"--run_dir={inputs / 'run'}",
        f"--output_dir={output}",
        "--neighbours=5",
        "--batch_size=50",
        "--epochs=4",
        "--heads=2",
        "--learning_rate=1e-3",
        "--kmeans_seeds=1",
        "--augmentation=weak",
        "--self_labelling_epochs=2",
        "--threshold=0.2",
        "--checkpoint_steps=3",
        "--resume",
    ]


def _export(inputs: pathlib.Path, output: pathlib.Path) -> list[str]:
    places = f"--run_dir={inputs / 'run'}", f"--output_dir={output}"
    return ["-m", "export.saved_model", *places]


def _embed(inputs: pathlib.Path, output: pathlib.Path) -> list[str]:
    return [
        "-m",
        "export.embed",
        f"--model={inputs / 'model'}",
        f"--images={inputs / 'images.npz'}",
        f"--output={output}.npz",
    ]


def _sweep(inputs: pathlib.Path, output: pathlib.Path) -> list[str]:
    del inputs
    return [
        "-m",
        "and_tf.sweep",
        *_TRAINING,
        "--rounds=1",
        "--epochs_per_round=3",
        "--vary=temperature=0.1,0.2",
        f"--sweep_dir={output}",
    ]


def _run_and_photos(inputs: pathlib.Path) -> None:
    _train(inputs)
    rng = np.random.default_rng(0)
    (inputs / "photos").mkdir()
    for number in range(_PHOTOS):
        pixels = rng.integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(inputs / "photos" / f"{number:04}.png")


def _explore(inputs: pathlib.Path, output: pathlib.Path) -> list[str]:
    return [
        "-m",
        "and_tf.explore",
        f"--images={inputs / 'photos'}",
        f"--run_dir={inputs / 'run'}",
        f"--output={output}",
        "--clusters=4",
    ]


def _same_exploration(whole: pathlib.Path, parts: pathlib.Path) -> None:
    """Asserts that tables and pages are equal, and that nothing is left."""
    names, contents = zip(
        *(
            zip(*sorted(_contents(place).items()), strict=True)
            for place in (whole, parts)
        ),
        strict=True,
    )
    assert names[0] == names[1]
    assert contents[0] == contents[1]


def _contents(output: pathlib.Path) -> dict[str, bytes]:
    """Returns all files but what was measured, and the time of the end."""
    found = {
        str(path.relative_to(output)): path.read_bytes()
        for path in output.rglob("*")
        if path.is_file() and "measured" not in path.parts
    }
    del found["explore.json"]
    return found


def _same_export(whole: pathlib.Path, parts: pathlib.Path) -> None:
    """Asserts that there is one version with the same files and embeddings."""
    from export.embeddings import encoders

    assert os.listdir(whole) == os.listdir(parts) == ["1"]
    names = [
        sorted(str(p.relative_to(place)) for p in place.rglob("*"))
        for place in (whole, parts)
    ]
    assert names[0] == names[1]
    note = "1/assets.extra/encoder.json"
    assert (whole / note).read_text() == (parts / note).read_text()
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)
    first, second = (encoders.load(place)(images) for place in (whole, parts))
    np.testing.assert_array_equal(first, second)


def _same_table(whole: pathlib.Path, parts: pathlib.Path) -> None:
    names = [sorted(os.listdir(place.parent)) for place in (whole, parts)]
    assert names[0] == names[1]
    tables = (p.with_suffix(".npz").read_bytes() for p in (whole, parts))
    assert next(tables) == next(tables)


def _same_sweep(whole: pathlib.Path, parts: pathlib.Path) -> None:
    runs = [path.parent for path in sorted(whole.rglob("result.json"))]
    assert len(runs) == 2
    for run in runs:
        again = parts / run.relative_to(whole)
        assert_same_run(RunDirectory(run), RunDirectory(again))
    assert not list(parts.rglob("*.claim_*"))
    assert (whole / "table.csv").exists() and (parts / "table.csv").exists()


def _until_unclaimed(output: pathlib.Path) -> None:
    """Waits for trainings that continue after their sweep was killed."""
    began = time.monotonic()
    while any(map(claims.holder, _runs(output))):
        assert time.monotonic() - began < LONGEST
        time.sleep(0.05)


def _runs(output: pathlib.Path) -> Sequence[pathlib.Path]:
    found = output.rglob("*.claim_*")
    return [path.with_name(path.name.partition(".claim_")[0]) for path in found]


JOBS = {
    "cluster": Job(
        _cluster,
        lambda whole, parts: assert_same(
            ClusterDirectory(whole), ClusterDirectory(parts)
        ),
        prepare=_train,
    ),
    "export": Job(
        _export,
        _same_export,
        prepare=_train,
        is_done=lambda output: (output / "1").exists(),
    ),
    "embed": Job(
        _embed,
        _same_table,
        prepare=_export_and_images,
        is_done=lambda output: output.with_suffix(".npz").exists(),
    ),
    "explore": Job(_explore, _same_exploration, prepare=_run_and_photos),
    "sweep": Job(_sweep, _same_sweep, settle=_until_unclaimed),
}
