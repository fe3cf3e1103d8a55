"""Errors that nothing foresaw, in a sentence each."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from and_tf.utils import atomic_files, unexpected
from tests.utils.cli_test import ROOT


def said(function) -> str:
    with pytest.raises(BaseException) as caught:
        function()
    return unexpected.sentence(caught.value)


def test_names_the_place_the_kind_and_the_words(tmp_path):
    text = said(lambda: atomic_files.write_text(tmp_path / "x", 3))
    assert "Received in and_tf.utils.atomic_files.write_text" in text
    assert "AttributeError: 'int' object has no attribute 'encode'" in text
    assert "with --debug" in text


def test_names_the_file_of_a_system_error(tmp_path):
    text = said(lambda: open(tmp_path / "none"))
    assert f"FileNotFoundError: No such file or directory: {tmp_path}" in text


def test_takes_the_first_line_of_tensorflow_without_its_graph():
    @tf.function
    def broken(x):
        tf.debugging.assert_greater(x, 1.0, "too small")
        return x

    text = said(lambda: broken(tf.constant(0.0)))
    assert "InvalidArgumentError: " in text
    assert "\n" not in text and "{{" not in text and len(text) < 700


def test_says_what_to_do_where_memory_is_short():
    assert "smaller batches" in said(lambda: np.empty(2**56, np.uint8))

    def exhausted():
        raise tf.errors.ResourceExhaustedError(None, None, "OOM")

    assert "smaller batches" in said(exhausted)


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        "OSError(36, 'File name too long', 'x')",
        "UnicodeEncodeError('ascii', 'é', 0, 1, 'no')",
        "MemoryError()",
        "RecursionError('deep')",
        "KeyError('config')",
        "ExceptionGroup('two', [ValueError('one')])",
    ],
)
def test_ends_a_main_in_one_sentence(error, debug):
    code = f"""
from and_tf.utils import cli
def main(argv):
    raise {error}
cli.run(main)
"""
    result = subprocess.run(
        [sys.executable, "-c", code, *["--debug"] * debug],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert ("Traceback" in result.stderr) == debug
    assert error.partition("(")[0] in result.stderr.splitlines()[-1]
