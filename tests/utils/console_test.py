"""Streams that lack characters, readers or room."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from and_tf.utils import console
from tests.utils.cli_test import ROOT

MAIN = """
import contextlib, os, sys
from and_tf.utils import cli

def main(argv):
    print("32 × 32  τ 0.1  é")
    print("x" * 10**6)  # More than any buffer or pipe holds.
    handle = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        os.write(2, b"a library's own line")  # Straight to the descriptor.
    os.write(handle, str(handle).encode())

cli.run(main)
"""


def run(place, redirection, **environment):
    """Runs a main that writes its own file, whatever its streams are."""
    code = MAIN.replace("sys.argv[1]", repr(str(place)))
    return subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" {redirection}', sys.executable, code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
    )


@pytest.mark.parametrize(
    "redirection",
    [">/dev/full", "2>/dev/full", ">&-", "2>&-", "<&- >&- 2>&-", "| head -c 9"],
)
def test_a_command_ends_whatever_becomes_of_its_output(redirection, tmp_path):
    result = run(tmp_path / "result", redirection)
    assert result.returncode == 0
    # The file has none of the standard streams' descriptors.
    assert int((tmp_path / "result").read_text()) > 2
    assert b"Traceback" not in result.stderr


def test_says_that_output_is_missing(tmp_path):
    result = run(tmp_path / "result", ">/dev/full")
    assert b"lines are missing from standard output (No space" in result.stderr


@pytest.mark.parametrize(
    ("encoding", "line"),
    [
        ("ascii", b"32 x 32  tau 0.1  \\xe9"),
        ("latin-1", "32 × 32  tau 0.1  é".encode("latin-1")),
        ("utf-8", "32 × 32  τ 0.1  é".encode()),
    ],
)
def test_characters_that_a_console_lacks_are_spelled(encoding, line, tmp_path):
    result = run(tmp_path / "result", "", PYTHONIOENCODING=encoding)
    assert result.stdout.splitlines()[0] == line


def test_control_characters_of_names_are_visible_but_line_ends(tmp_path):
    place = tmp_path / "out"
    with open(place, "wb") as file:
        stream = console.Output(file.fileno(), "utf-8")
        stream.write("\n\x1b[A")  # Alone, as progress bars do.
        print("a\x1b]0;title\x07b\tc\rd\x9b", file=stream)
    assert place.read_bytes() == b"\n\x1b[Aa\\x1b]0;title\\x07b\tc\rd\\x9b\n"


def test_complains_on_standard_output_where_the_other_is_closed(tmp_path):
    code = "from and_tf.utils import cli; cli.run(lambda argv: 1 / 0)"
    result = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" 2>&-', sys.executable, code],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert "ZeroDivisionError: division by zero" in result.stdout
