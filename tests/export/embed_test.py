"""python -m export.embed as a user meets it; refusals in this process."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from export.embeddings import tables
from tests import mains
from tests.export import stand_in
from tests.utils.cli_test import ROOT, call

DEADLINE = 120  # Seconds, of what takes a few.


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A directory with a model and images to embed."""
    path = tmp_path_factory.mktemp("place")
    stand_in.saved_model(path / "model" / "1")
    for i, image in enumerate(stand_in.images(5)):
        (path / "photos" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path / "photos" / "ab"[i % 2] / f"{i}.png")
    (path / "photos" / "a" / "x.png").write_bytes(b"not an image")
    (path / "empty").mkdir()
    np.savez(path / "floats.npz", images=np.zeros((2, 8, 8, 3)))
    np.savez(path / "many.npz", images=stand_in.images(10_000))
    return path


def test_embeds_a_folder(place):
    result = call(
        "export.embed", "--model=model", "--images=photos",
        "--output=photos.csv", cwd=place,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    first, second, *rest = result.stdout.splitlines()
    assert first.startswith("embedded 5 images in 0:")
    assert first.endswith(" images/s")
    assert second == (
        "left out 1 that cannot be read: a/x.png; all are in "
        "photos.csv.skipped.txt"
    )
    assert rest == [
        "wrote photos.csv",
        "search it: python -m export.search --index=photos.csv --query=<image>",
    ]
    table = tables.read(place / "photos.csv")
    names = ["a/0.png", "a/2.png", "a/4.png", "b/1.png", "b/3.png"]
    assert list(table.file_names) == names
    expected = stand_in.embed(stand_in.images(5))[[0, 2, 4, 1, 3]]
    np.testing.assert_allclose(table.embeddings, expected, atol=1e-5)


def test_a_killed_command_goes_on(place):
    """Killed so that nothing of it can tidy up, and run again."""
    arguments = ["export.embed", "--model=model", "--images=many.npz"]
    whole = call(*arguments, "--output=whole.npz", cwd=place)
    assert whole.returncode == 0, whole.stderr

    arguments.append("--output=killed.npz")
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    first = place / "killed.npz.parts" / "part-000000.npz"
    end = time.monotonic() + DEADLINE
    while not first.exists() and time.monotonic() < end:
        with contextlib.suppress(subprocess.TimeoutExpired):
            assert process.wait(0.02) is None
    assert first.exists()
    process.send_signal(signal.SIGKILL)
    assert process.wait(DEADLINE) == -signal.SIGKILL
    assert not (place / "killed.npz").exists()

    again = call(*arguments, cwd=place)
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("going on after ")
    assert "of 10,000" in again.stdout
    killed = (place / "killed.npz").read_bytes()
    assert killed == (place / "whole.npz").read_bytes()
    assert not first.parent.exists()


@pytest.mark.parametrize("missing", ["model", "images", "output"])
def test_what_is_needed_is_asked_for(missing, capsys):
    needed = {"model": "m", "images": "i", "output": "o.npz"}
    needed[missing] = ""
    flags = [f"--{name}={value}" for name, value in needed.items()]
    printed = mains.refusal("export.embed", flags, capsys)
    assert f"error: Expected --{missing}, " in printed.err


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--output=o.json", "Expected --output to end in .npz, .csv, "),
        ("--output=floats.npz", "floats.npz, which is there already"),
        ("--output=floats.npz/o.npz", "floats.npz/o.npz: Not a directory"),
        ("--batch_size=0", "--batch_size of at least 1. Received: 0"),
        ("--model=nowhere", "nowhere, which is not there"),
        ("--images=empty", "Expected images (.bmp, "),
        ("--images=floats.npz", "float64 [2, 8, 8, 3]"),
        ("--images=tfds:digit/test", "Expected a data set: the name"),
    ],
)
def test_wrong_flags_end_in_one_sentence(
    place, argument, message, monkeypatch, capsys
):
    """The last of two flags of a name counts."""
    monkeypatch.chdir(place)
    usual = "--model=model", "--images=photos", "--output=o.npz"
    printed = mains.refusal("export.embed", [*usual, argument], capsys)
    assert message in printed.err
    assert not list(place.glob("o.npz*"))
