"""Start processes that measure.

What is measured has a process of its own, so that no side shares threads,
caches or memory with another, and so that this process uses no GPU.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

from and_tf.utils.errors import InputError
from benchmarks.harness.comparison import Answer

# Seconds before a turn: threads of the side before may still spin.
SETTLE = 0.25
_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class MeasuringProcess(contextlib.AbstractContextManager):
    """Prepares work in a process of its own, and does it when asked.

    Args:
        prepare: A function of a module, which the process imports.
        arguments: What it takes, by name.
        threads: How many threads libraries may use that read the number from
            the environment. TensorFlow and PyTorch have to be told by
            `prepare`. None sets no limit.
        shown: Whether to show what the process prints. Otherwise only the
            error message has it.

    Attributes:
        versions: Versions of the packages that the process has imported.
        value: What `prepare` returned, None if that is a `Work`.

    Raises:
        InputError: If the process fails. So do the methods.
    """

    def __init__(
        self,
        prepare: Callable[..., Any],
        arguments: Mapping[str, Any],
        threads: int | None = None,
        shown: bool = False,
    ) -> None:
        told = ", ".join(f"{name}={x!r}" for name, x in arguments.items())
        self._what = f"{prepare.__module__}.{prepare.__qualname__}({told})"
        self._printed = tempfile.TemporaryFile()
        self._pipe, end = multiprocessing.Pipe()
        limits = dict.fromkeys(_LIMITS, str(threads)) if threads else {}
        with end:
            descriptor = end.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.harness.child",
                 f"--pipe={descriptor}"],
                stdin=subprocess.DEVNULL,
                stdout=None if shown else self._printed,
                stderr=None if shown else subprocess.STDOUT,
                env=os.environ | limits,
                pass_fds=[descriptor],
            )  # fmt: skip
        try:
            self.versions, self.value = self._ask((prepare, dict(arguments)))
        except BaseException:
            self.__exit__()
            raise

    def answer(self) -> Answer:
        """Do the work once and return its results."""
        return self._ask("answer")

    def turn(self) -> Any:
        """Do the work once and return its figure."""
        time.sleep(SETTLE)
        return self._ask("measure")

    def _ask(self, what: Any) -> Any:
        try:
            self._pipe.send(what)
            return self._pipe.recv()
        except (EOFError, OSError) as error:  # The process has ended.
            code = self._process.wait()
            self._printed.seek(0)
            said = self._printed.read().decode(errors="replace").strip()
            raise InputError(
                f"Expected to measure {self._what}. Received: "
                f"{said[-2000:] or f'exit code {code}'}"
            ) from error

    def __exit__(self, *exception: object) -> None:
        self._pipe.close()
        try:  # Gently, for it may have processes of its own to end.
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._printed.close()


def call(
    function: Callable[..., Any], shown: bool = False, **arguments: Any
) -> Any:
    """Call a function of a module in a process of its own.

    Args:
        function: What is called.
        shown: See `MeasuringProcess`.
        **arguments: What it takes.

    Returns:
        What it returns; has to pickle.

    Raises:
        InputError: If it fails.
    """
    with MeasuringProcess(function, arguments, shown=shown) as process:
        return process.value
