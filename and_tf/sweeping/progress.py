"""Prints the runs that a sweep has to do, their ends, and an estimate.

12 of 12 runs to do on GPUs 0 and 1, one run a GPU; each prints to …
 3/12  neighbourhood_size=5  seed 2  4:33  GPU 1  kNN 51.8 %  ETA 41:10
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from and_tf.sweeping.gpu_slots import GpuSlots, in_words
from and_tf.sweeping.grid import SweepRun
from and_tf.sweeping.metrics import headline
from and_tf.sweeping.run_status import Outcome, log_of, outcome_of, tail
from and_tf.utils.progress import REFRESH, TransientLine, duration

TURN = 3.0  # The seconds for which each of several runs is shown in turn.


class Progress:
    """A printer of one line per ended run, with an estimate of the time left.

    On a terminal, the last line of a run's log is shown below, for each run in
    progress in turn.

    Args:
        runs: All runs of the sweep.
        slots: The GPUs that the runs use.
        stream: The stream to print to; None is standard output.
        clock: A function that returns seconds since any fixed moment.
    """

    def __init__(
        self,
        runs: Sequence[SweepRun],
        slots: GpuSlots,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runs = runs
        self._slots = slots
        self._stream = stream or sys.stdout
        self._clock = clock
        self._line = TransientLine(self._stream)
        self._drawn = clock()
        self._seconds: list[float] = []
        self._width = max(len(run.name) for run in runs)

    def announce(self, left: Sequence[SweepRun]) -> None:
        """Prints the number of runs to do, and the first run's log file."""
        if left:
            self._print(
                f"{len(left)} of {len(self._runs)} runs to do{self._place()}; "
                f"each prints to its own log.txt, the first to "
                f"{log_of(left[0].path)}"
            )

    def done_before(self, run: SweepRun, outcome: Outcome) -> None:
        """Prints that a run was done before."""
        self._print(self._line_of(run, "done before", outcome))

    def ended(
        self,
        run: SweepRun,
        gpus: Sequence[str],
        seconds: float,
        outcome: Outcome,
        in_progress: int,
    ) -> None:
        """Prints how a run ended, and an estimate of the sweep's end.

        Args:
            run: The run that ended.
            gpus: The GPUs that it used; empty for none.
            seconds: The seconds that it took.
            outcome: The outcome of the run.
            in_progress: The number of other runs that this process is doing.
        """
        if outcome.state == "done":
            self._seconds.append(seconds)
        parts = [duration(seconds), in_words(gpus)]
        line = self._line_of(run, "  ".join(filter(None, parts)), outcome)
        if self._seconds:
            line += f"  ETA {self._eta(in_progress)}"
        self._print(line)

    def waits(self) -> None:
        """Prints that no run can begin, as other runs use all GPUs."""
        wanted = self._slots.gpus_per_run
        self._print(
            f"waiting for {f'{wanted} GPUs' if wanted > 1 else 'a GPU'}; "
            f"other runs are in progress on {in_words(self._slots.gpus)}"
        )

    def watch(self, runs: Sequence[SweepRun]) -> None:
        """Shows the last line of a run in progress, if on a terminal."""
        now = self._clock()
        if runs and self._line.possible and now - self._drawn >= REFRESH:
            self._drawn = now
            run = runs[int(now / TURN) % len(runs)]
            last = (tail(log_of(run.path), 512) or [""])[-1]
            self._line.show(f"{self._number(run)}  {run.name}  {last}")

    def clear(self) -> None:
        """Clears the line below, so that other code can print."""
        self._line.clear()

    def _print(self, line: str) -> None:
        self._line.clear()
        print(line, file=self._stream, flush=True)

    def _place(self) -> str:
        """Describes the GPUs in use: " on GPUs 0 and 1, one run a GPU"."""
        slots = self._slots
        if not slots.gpus:
            several = slots.runs_per_gpu > 1
            return ", one at a time, as there is no GPU" if several else ""
        parts = [f" on {in_words(slots.gpus)}"]
        if slots.gpus_per_run > 1:
            parts.append(f"{slots.gpus_per_run} GPUs a run")
        if slots.runs_per_gpu > 1:
            parts.append(f"up to {slots.runs_per_gpu} runs a GPU")
        if len(parts) == 1 and len(slots.gpus) > 1:
            parts.append("one run a GPU")
        return ", ".join(parts)

    def _number(self, run: SweepRun) -> str:
        total = str(len(self._runs))
        return f"{self._runs.index(run) + 1:>{len(total)}}/{total}"

    def _line_of(self, run: SweepRun, taken: str, outcome: Outcome) -> str:
        """Returns the line of a run, without the estimate."""
        if outcome.result:
            told = headline(outcome.result)
        else:
            told = f"{outcome.state} {outcome.note}".rstrip()
        name = f"{run.name:<{self._width}}"
        return "  ".join(filter(None, (self._number(run), name, taken, told)))

    def _eta(self, in_progress: int) -> str:
        """Estimates the time left, if all processes are equally fast."""
        states = [outcome_of(run.path).state for run in self._runs]
        left = states.count("new") + states.count("interrupted")
        running = states.count("running")
        workers = self._slots.capacity + max(running - in_progress, 0)
        # On average, half of each run in progress is left.
        rounds = left / workers + bool(running) / 2
        return duration(statistics.fmean(self._seconds) * rounds)
