"""Makes a target that is faulty on purpose, to test the search itself."""

from __future__ import annotations

import os
import pathlib
import signal

from hypothesis import strategies as st

from and_tf.utils.errors import InputError
from tests.fuzz.target import Target, answer

FROM = 1000  # The smallest input that shows the fault.


def make(directory: pathlib.Path, fault: str) -> Target:
    """Makes a target whose answers are wrong for numbers from `FROM` on.

    Args:
        directory: A directory, which is not used.
        fault: "raise", "crash", "hang", "memory", "exit", "words", or "none".
    """
    del directory

    def read(number: int) -> None:
        if number < FROM:
            raise InputError(f"Expected {FROM} or more. Received: {number}.")
        if fault == "raise":
            raise KeyError(number)
        if fault == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if fault == "hang":
            signal.pause()
        if fault == "memory":
            bytearray(2**40)
        if fault == "exit":
            raise SystemExit(2)
        if fault == "words":
            raise InputError("Wrong.")

    return Target(st.integers(0, 10**6), lambda n: answer(lambda: read(n)))
