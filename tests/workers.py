"""Starts processes that train together on this machine, as a user does."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

ROOT = pathlib.Path(__file__).parents[1]
LONGEST = 300  # The time limit of the processes, in seconds.


class Workers:
    """The same command in several processes, each with its TF_CONFIG.

    Args:
        command: The arguments of Python.
        addresses: The address, host:port, of each process.
        extra: Additional arguments of a process, by its index.

    Attributes:
        processes: The processes, in the order of their addresses.
    """

    def __init__(
        self,
        command: list[str],
        addresses: list[str],
        extra: dict[int, list[str]],
    ) -> None:
        self._files = [
            tempfile.TemporaryFile("w+") for _ in range(2 * len(addresses))
        ]
        self.processes = [
            subprocess.Popen(
                [sys.executable, *command, *extra.get(index, [])],
                cwd=ROOT,
                env=environment(addresses, index),
                stdout=self._files[2 * index],
                stderr=self._files[2 * index + 1],
            )
            for index in range(len(addresses))
        ]

    def end(self) -> list[int]:
        """Waits until all processes end, and returns their exit codes."""
        return [process.wait(LONGEST) for process in self.processes]

    def out(self, index: int) -> str:
        """Returns the text that a process wrote to standard output."""
        return _content(self._files[2 * index])

    def err(self, index: int) -> str:
        """Returns the text that a process wrote to standard error."""
        return _content(self._files[2 * index + 1])

    def until(self, condition: Callable[[], bool]) -> None:
        """Waits until a condition holds, which these processes bring about."""
        deadline = time.monotonic() + LONGEST
        while not condition():
            running = [process.poll() is None for process in self.processes]
            assert all(running), [self.err(i) for i in range(len(running))]
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def close(self) -> None:
        """Kills the processes that still run."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
        for file in self._files:
            file.close()


@contextlib.contextmanager
def workers(
    *command: str, count: int = 2, extra: dict[int, list[str]] | None = None
) -> Iterator[Workers]:
    """Starts processes, and kills those that still run at the end.

    Args:
        *command: The arguments of Python.
        count: The number of processes.
        extra: Additional arguments of a process, by its index.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("localhost", 0))
        addresses = [f"localhost:{each.getsockname()[1]}" for each in sockets]
    started = Workers(list(command), addresses, extra or {})
    try:
        yield started
    finally:
        started.close()


def environment(addresses: list[str], index: int) -> dict[str, str]:
    """Returns this process' environment with the TF_CONFIG of a worker."""
    config = {
        "cluster": {"worker": addresses},
        "task": {"type": "worker", "index": index},
    }
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name != "TF_CPP_MIN_LOG_LEVEL"
    }
    return {
        **inherited,
        "TF_CONFIG": json.dumps(config),
        "PYTHONPATH": str(ROOT),
    }


def _content(file) -> str:
    file.seek(0)
    return file.read()
