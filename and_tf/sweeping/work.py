"""Trains the runs of a sweep one after another, and says how it goes."""

from __future__ import annotations

import pathlib
import sys
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from and_tf.errors import Interrupted
from and_tf.interruption import Interruption
from and_tf.sweeping import claims, donors
from and_tf.sweeping.child import train
from and_tf.sweeping.claims import Claim
from and_tf.sweeping.grid import SweepRun
from and_tf.sweeping.measures import headline
from and_tf.sweeping.outcome import Outcome, log_of, outcome_of, tail
from and_tf.terminal import REFRESH, TransientLine, duration


class Work:
    """This process' share of a sweep.

    At first how much there is to do, and where to watch it; then a line a run
    that has ended:

        3/12  neighbourhood_size=5  seed 2  4:33  kNN 51.8 %  ETA 41:10

    and on a terminal, below it, the last line of the run in progress.

    Args:
        runs: All of the sweep.
        stream: Where to; None is standard output.
        clock: Seconds from any fixed moment.
        on_end: Called when a run has ended, one way or another.
    """

    def __init__(
        self,
        runs: Sequence[SweepRun],
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._runs = runs
        self._stream = stream or sys.stdout
        self._clock = clock
        self._on_end = on_end
        self._line = TransientLine(self._stream)
        self._drawn = clock()
        self._seconds: list[float] = []
        self._width = max(len(run.name) for run in runs)
        # A run that another process sees fail meanwhile is not tried again.
        self._failures = {
            run.path: _written(run)
            for run in runs
            if outcome_of(run.path).state == "failed"
        }

    def do(self) -> None:
        """Trains whatever is not done and nobody else's.

        Raises:
            Interrupted: After a signal, once the training has kept its step.
        """
        interruption = Interruption()
        tried: set[pathlib.Path] = set()
        for run in self._runs:
            outcome = outcome_of(run.path)
            if outcome.state == "done":
                self._say(run, "done before", outcome)
                tried.add(run.path)
        self._announce([run for run in self._runs if run.path not in tried])
        with interruption.heard():
            # Runs that others began are looked at again: these may have ended.
            while self._pass(tried, interruption):
                pass

    def _pass(
        self, tried: set[pathlib.Path], interruption: Interruption
    ) -> bool:
        """Visits every run; whether one was trained."""
        trained = False
        for run in self._runs:
            if interruption.signal_number:
                raise Interrupted(
                    interruption.signal_number, "The same command goes on."
                )
            if run.path in tried or not self._wanted(run):
                continue
            claim = claims.take(run.path)
            if claim is None:
                continue
            tried.add(run.path)
            if outcome_of(run.path).state == "done":  # By now.
                claim.finish()
                continue
            self._train(run, claim, interruption)
            trained = True
        return trained

    def _wanted(self, run: SweepRun) -> bool:
        outcome = outcome_of(run.path)
        if outcome.state == "failed":
            return self._failures.get(run.path) == _written(run)
        return outcome.state in ("new", "interrupted")

    def _train(
        self, run: SweepRun, claim: Claim, interruption: Interruption
    ) -> None:
        began = self._clock()
        started = donors.started(run, self._runs)
        try:
            train(started, claim, interruption, lambda: self._watch(run))
        finally:
            self._line.clear()
            if (run.path / "result.json").is_file():
                claim.finish()
            else:
                claim.release()
        seconds = self._clock() - began
        outcome = outcome_of(run.path)
        if outcome.state == "done":
            self._seconds.append(seconds)
        self._say(run, duration(seconds), outcome)
        self._on_end()
        if interruption.signal_number:
            raise Interrupted(
                interruption.signal_number,
                f"{run.path} keeps its last step. The same command goes on.",
            )

    def _watch(self, run: SweepRun) -> None:
        """Shows, on a terminal, the last line of the run in progress."""
        now = self._clock()
        if self._line.possible and now - self._drawn >= REFRESH:
            self._drawn = now
            last = (tail(log_of(run.path), 512) or [""])[-1]
            self._line.show(f"{self._place(run)}  {run.name}  {last}")

    def _announce(self, left: Sequence[SweepRun]) -> None:
        """Says what is to come; a log is silent then until a run has ended."""
        if left:
            print(
                f"{len(left)} of {len(self._runs)} runs to do; each prints to "
                f"its own log.txt, the first to {log_of(left[0].path)}",
                file=self._stream,
                flush=True,
            )

    def _place(self, run: SweepRun) -> str:
        total = str(len(self._runs))
        return f"{self._runs.index(run) + 1:>{len(total)}}/{total}"

    def _say(self, run: SweepRun, time_taken: str, outcome: Outcome) -> None:
        parts = [self._place(run), f"{run.name:<{self._width}}", time_taken]
        if outcome.result:
            told = headline(outcome.result)
            if told:
                parts.append(told)
        else:
            parts.append(f"{outcome.state} {outcome.note}".rstrip())
        if self._seconds:
            parts.append(f"ETA {self._eta()}")
        print("  ".join(parts), file=self._stream, flush=True)

    def _eta(self) -> str:
        """Until all are done, if every process is as fast as this one."""
        states = [outcome_of(run.path).state for run in self._runs]
        left = states.count("new") + states.count("interrupted")
        others = states.count("running")
        mean = sum(self._seconds) / len(self._seconds)
        return duration(mean * (left / (1 + others) + bool(others) / 2))


def _written(run: SweepRun) -> float:
    """When a run's log was last written to."""
    return log_of(run.path).stat().st_mtime
