"""Work in the background, in this process and in one that ends."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from and_tf.data import parallelism


def test_goes_on_beside_its_caller_and_is_done_once() -> None:
    go, done = threading.Event(), []

    def compute() -> str:
        go.wait()
        done.append(1)
        return "a"

    result = parallelism.begin(compute)
    assert not done
    go.set()
    assert (result(), result()) == ("a", "a")
    assert done == [1]


def test_errors_are_raised_where_the_result_is_asked_for() -> None:
    result = parallelism.begin(lambda: 1 // 0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            result()


def test_a_process_that_ends_is_told() -> None:
    program = (
        "from and_tf.data import parallelism\n"
        "def forever():\n"
        "    while not parallelism.abandoned():\n"
        "        pass\n"
        "    print('told', flush=True)\n"
        "parallelism.begin(forever)\n"
    )
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout == "told\n"
