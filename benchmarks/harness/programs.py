"""Run trainings, each in a process of its own, and end them in time.

Nothing in this process uses the GPU: TensorFlow takes most of a card's memory
for the process that first touches it, and the trainings need it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from and_tf.sweeping.run_status import ASKED, error_in, tail
from and_tf.utils.errors import InputError, Interrupted
from and_tf.utils.signals import Interruption
from benchmarks.harness import processes

POLL = 0.2  # Seconds.


class Failed(InputError):
    """Reports a process that ended with an error of its own."""


@dataclasses.dataclass
class Launcher:
    """Runs Python modules one after another, until there is no time left.

    Args:
        minutes: The time limit of everything together, from now on; 0 is
            none.
        clock: Returns seconds from any fixed moment.
        python: The interpreter of what `run` runs; `call` takes this one.
    """

    minutes: float = 0.0
    clock: Callable[[], float] = time.monotonic
    python: str = sys.executable

    def __post_init__(self) -> None:
        self._began = self.clock()

    @property
    def over(self) -> bool:
        """Return whether the time limit has been reached."""
        spent = self.clock() - self._began
        return bool(self.minutes) and spent >= 60 * self.minutes

    def run(
        self,
        arguments: Sequence[str],
        log: pathlib.Path | None = None,
        enough: Callable[[], bool] = lambda: False,
    ) -> None:
        """Run `python <arguments>` and wait for its end.

        A signal that this process receives is handed on, and so is the end
        of the time: a training then keeps its very step.

        Args:
            arguments: Such as ("-m", "and_tf.train", "--resume").
            log: The file that its output is added to; None shows it.
            enough: Asked now and then; once it is True, the process is asked
                to end, which is no failure.

        Raises:
            Interrupted: After a signal, or when the time is up.
            Failed: If it ends with an error.
        """
        interruption = Interruption()
        with interruption.heard(), _output(log) as output:
            if self.over:
                raise self._interrupted(0)
            child = subprocess.Popen(
                [self.python, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if log else None,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
                # Else Ctrl-C would reach it twice, from the terminal and from
                # here, and a training obeys the second one at once.
                process_group=0,
            )
            code = self._wait(child, interruption, enough)
        if interruption.signal_number or (self.over and code in ASKED):
            raise self._interrupted(interruption.signal_number)
        if code and not (code in ASKED and enough()):
            raise Failed(_failure(arguments, code, log))

    def call(self, function: Callable[..., Any], **arguments: Any) -> Any:
        """Call a function in a process of its own; see `processes.call`.

        Raises:
            Interrupted: If the time is up already.
            InputError: If it fails.
        """
        if self.over:
            raise self._interrupted(0)
        return processes.call(function, **arguments)

    def _wait(
        self,
        child: subprocess.Popen,
        interruption: Interruption,
        enough: Callable[[], bool],
    ) -> int:
        """Wait for the exit code; ask the process to end at most once."""
        asked = False
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return child.wait(POLL)
                number = interruption.signal_number
                if not asked and (number or self.over or enough()):
                    child.send_signal(number or signal.SIGTERM)
                    asked = True
        except BaseException:
            # Nobody may find the GPU taken by what this process left behind.
            child.terminate()
            child.wait()
            raise

    def _interrupted(self, number: int) -> Interrupted:
        why = signal.Signals(number).name if number else "the time is up"
        return Interrupted(
            number or signal.SIGTERM,
            f"{why}; what was trained is kept. The same command goes on.",
        )


@contextlib.contextmanager
def _output(log: pathlib.Path | None) -> Iterator[IO[str] | None]:
    if log is None:
        yield None
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a", buffering=1) as file:
        yield file


def _failure(
    arguments: Sequence[str], code: int, log: pathlib.Path | None
) -> str:
    """Say which process failed, and why as far as it said so itself."""
    why = error_in([*(tail(log) if log else []), ""], code)
    where = f"{log} tells more" if log else "its own output is above"
    return (
        f"Expected {arguments[1]} to end well. Received: {why.strip()} "
        f"({where}). Mend the cause; the same command then goes on."
    )
