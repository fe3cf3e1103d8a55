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

from and_tf.distribution import slurm as slurm_variables

ROOT = pathlib.Path(__file__).parents[1]
LONGEST = 300  # The time limit of the processes, in seconds.


class Workers:
    """The same command in several processes, each with its environment.

    Args:
        command: The arguments of Python.
        environments: The environment of each process.
        extra: Additional arguments of a process, by its index.

    Attributes:
        processes: The processes, in the order of their environments.
    """

    def __init__(
        self,
        command: list[str],
        environments: list[dict[str, str]],
        extra: dict[int, list[str]],
    ) -> None:
        self._files = [
            tempfile.TemporaryFile("w+") for _ in range(2 * len(environments))
        ]
        self.processes = [
            subprocess.Popen(
                [sys.executable, *command, *extra.get(index, [])],
                cwd=ROOT,
                env=each,
                stdout=self._files[2 * index],
                stderr=self._files[2 * index + 1],
            )
            for index, each in enumerate(environments)
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
    *command: str,
    count: int = 2,
    extra: dict[int, list[str]] | None = None,
    slurm: bool = False,
) -> Iterator[Workers]:
    """Starts processes, and kills those that still run at the end.

    Args:
        *command: The arguments of Python.
        count: The number of processes.
        extra: Additional arguments of a process, by its index.
        slurm: Whether they are started as tasks of Slurm instead of by
            TF_CONFIG.
    """
    if slurm:
        job = free_job(count)
        environments = [task(job, index, count) for index in range(count)]
    else:
        addresses = free_addresses(count)
        environments = [environment(addresses, i) for i in range(count)]
    started = Workers(list(command), environments, extra or {})
    try:
        yield started
    finally:
        started.close()


def free_addresses(count: int) -> list[str]:
    """Returns addresses on this machine that nothing listens at."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("localhost", 0))
        return [f"localhost:{each.getsockname()[1]}" for each in sockets]


def free_job(count: int) -> int:
    """Returns the number of a job of Slurm whose first ports are free."""
    for job in range(os.getpid(), os.getpid() + 750):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(
                    slurm_variables.port(str(job)),
                    slurm_variables.port(str(job)) + count,
                ):
                    each = stack.enter_context(socket.socket())
                    each.bind(("localhost", port))
            except OSError:
                continue
            return job
    raise OSError("Expected a free port of any job. Received none.")


def environment(addresses: list[str], index: int) -> dict[str, str]:
    """Returns this process' environment with the TF_CONFIG of a worker."""
    config = {
        "cluster": {"worker": addresses},
        "task": {"type": "worker", "index": index},
    }
    return {**_inherited(), "TF_CONFIG": json.dumps(config)}


def task(job: int, index: int, count: int) -> dict[str, str]:
    """Returns this process' environment with what srun sets for a task."""
    return {
        **_inherited(),
        "SLURM_JOB_ID": str(job),
        "SLURM_PROCID": str(index),
        "SLURM_LOCALID": str(index),
        "SLURMD_NODENAME": "localhost",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_NUM_TASKS": str(count),
        "SLURM_STEP_TASKS_PER_NODE": str(count),
    }


def _inherited() -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name != "TF_CPP_MIN_LOG_LEVEL"
    }
    return {**inherited, "PYTHONPATH": str(ROOT)}


def _content(file) -> str:
    file.seek(0)
    return file.read()
