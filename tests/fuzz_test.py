"""The search itself, and a short part of it; `python -m tests.fuzz` is long."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests.fuzz import planted, registry
from tests.fuzz.arrays import Drawn
from tests.fuzz.json_edits import Edit, Edited
from tests.fuzz.mutations import KINDS, Change, Damaged
from tests.fuzz.target import answer

ROOT = pathlib.Path(__file__).parents[1]


def fuzz(*flags: str) -> subprocess.CompletedProcess[str]:
    """Runs the command, whose process has no TensorFlow threads to fork."""
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *flags],
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )


def test_finds_nothing_in_a_short_search():
    """All targets but those that trace graphs or import every main."""
    long = {"graph_images", "command_flags"}
    names = [name for name in registry.TARGETS if name not in long]
    result = fuzz(
        f"--targets={','.join(names)}",
        "--minutes=0",
        "--examples=20",
        "--seed=7",
    )
    assert result.returncode == 0, result.stdout + result.stderr
    for name in names:
        assert f"\n{name}: 20 inputs" in f"\n{result.stdout}"


def test_finds_faults_of_every_kind_and_their_smallest_inputs():
    faults = "raise", "crash", "memory", "exit", "words", "none"
    names = ",".join(f"{registry.PLANTED}:{fault}" for fault in faults)
    result = fuzz(f"--targets={names}", "--minutes=0", "--examples=50")
    assert result.returncode == 1
    found = [
        block
        for block in result.stdout.split("\nfound in ")
        if "input" in block
    ]
    for fault, said in {
        "raise": "KeyError",
        "crash": "DiedError: SIGSEGV",
        "memory": "MemoryError",
        "exit": "RuntimeError: SystemExit: 2",
        "words": "AssertionError: says too little",
    }.items():
        (block,) = (b for b in found if b.startswith(f"planted:{fault} "))
        assert f"with seed 0: {said}" in block
        assert f"\n  input {planted.FROM}\n" in block
        assert f"--targets=planted:{fault} --seed=0" in block
    assert "planted:none: 50 inputs" in result.stdout


def test_an_input_that_never_ends_is_a_finding():
    """It is not made smaller, which would take as long for each try."""
    flags = f"--targets={registry.PLANTED}:hang", "--minutes=0", "--seconds=1"
    result = fuzz(*flags)
    assert result.returncode == 1
    assert "DiedError: SIGALRM: too much time for one input" in result.stdout


def test_only_sentences_pass():
    def read(error: Exception) -> None:
        raise error

    assert answer(lambda: 3) == 3
    with pytest.raises(KeyError):
        answer(lambda: read(KeyError()))


@pytest.mark.parametrize("kind", KINDS)
def test_changes_are_of_the_bytes_that_they_name(kind):
    changed = Change(kind, place=2, length=2, value=9).apply(b"abcdefghijkl")
    assert (
        changed
        == {
            "flip": b"aba" + b"defghijkl",
            "set": b"ab\t\tefghijkl",
            "cut": b"ab",
            "drop": b"abefghijkl",
            "insert": b"ab\t\tcdefghijkl",
            "repeat": b"abcdcdefghijkl",
            "number": b"ab\x00\x00\x00\x80ghijkl",
        }[kind]
    )


def test_changes_apply_one_after_the_other():
    twice = (Change("drop", 0, 1, 0), Change("cut", 2, 1, 0))
    assert Damaged("a", twice).content({"a": b"abcdef"}) == b"bc"
    assert Damaged("a", ()).content({"a": b"abcdef"}) == b"abcdef"
    assert Change("flip", 3, 1, 0).apply(b"") == b""


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (Edit("replace", 1, None), b'{"a": null, "b": 2}'),
        (Edit("remove", 1, None), b'{"b": 2}'),
        (Edit("add", 1, 3), b'{"a": [1], "b": 2, "added": 3}'),
        (Edit("add", 2, 3), b'{"a": [3, 1], "b": 2}'),
        (Edit("remove", 0, 3), b"3"),
    ],
)
def test_edits_are_of_the_values_that_they_name(edit, text):
    values = {"x": {"a": [1], "b": 2}}
    assert Edited("x", (edit,), ()).content(values) == text
    assert values == {"x": {"a": [1], "b": 2}}


def test_drawn_arrays_are_as_they_say():
    array = Drawn("int8", (2, 1), -1).array
    np.testing.assert_array_equal(array, np.array([[-1], [-1]], np.int8))
    assert Drawn("U3", (2,), np.nan).array.dtype == "U3"
