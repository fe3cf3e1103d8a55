"""Does the runs of a sweep, on each GPU one after another."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from and_tf.sweeping import claims, donors, worker
from and_tf.sweeping.claims import Claim
from and_tf.sweeping.gpu_slots import GpuSlots, Lease, in_words
from and_tf.sweeping.grid import SweepRun
from and_tf.sweeping.progress import Progress
from and_tf.sweeping.run_status import log_of, outcome_of
from and_tf.sweeping.worker import Child
from and_tf.utils.errors import Interrupted
from and_tf.utils.signals import Interruption

POLL = 0.2  # Seconds between two looks at the runs in progress.
RETRY = 1.0  # Seconds between two looks for a GPU, if nothing is in progress.


@dataclasses.dataclass(frozen=True)
class _Task:
    """A run in progress.

    Attributes:
        run: Which one.
        child: The process that does it.
        gpus: What it is done on.
        held: Closing it gives back what the run holds.
        began: When, by the clock of its `Work`.
    """

    run: SweepRun
    child: Child
    gpus: tuple[str, ...]
    held: contextlib.ExitStack
    began: float


class Work:
    """This process' share of a sweep.

    A single thread begins the children and looks after them. There are as many
    at a time as the GPUs have slots for, and without GPUs one.

    Args:
        runs: All of the sweep.
        slots: The GPUs to do them on; None is none.
        stream: Where `Progress` prints to; None is standard output.
        clock: Seconds from any fixed moment.
        on_end: Called when a run has ended, one way or another.
    """

    def __init__(
        self,
        runs: Sequence[SweepRun],
        slots: GpuSlots | None = None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._runs = runs
        self._slots = slots or GpuSlots()
        self._clock = clock
        self._on_end = on_end
        self._progress = Progress(runs, self._slots, stream, clock)
        self._tasks: list[_Task] = []
        self._tried: set[pathlib.Path] = set()
        # A run that another process sees fail meanwhile is not tried again.
        self._failures = {
            run.path: _written(run)
            for run in runs
            if outcome_of(run.path).state == "failed"
        }

    def do(self) -> None:
        """Does whatever is not done and nobody else's.

        Raises:
            InputError: If the sweep's directory cannot be written to, or it
                cannot be noted who has which GPU.
            Interrupted: After a signal, once trainings have kept their steps.
        """
        for run in self._runs:
            outcome = outcome_of(run.path)
            if outcome.state == "done":
                self._progress.done_before(run, outcome)
                self._tried.add(run.path)
        left = [run for run in self._runs if run.path not in self._tried]
        self._progress.announce(left)
        interruption = Interruption()
        with interruption.heard():
            try:
                self._do(interruption)
            except BaseException:
                worker.end([task.child for task in self._tasks])
                raise
            finally:
                self._progress.clear()
                for task in self._tasks:
                    task.held.close()

    def _do(self, interruption: Interruption) -> None:
        retry, said = True, False
        while not interruption.signal_number:
            if retry:
                retry = self._begin_runs()
            if self._tasks:
                # Once one has ended there is room for another. It may be one
                # that another process began, and that has ended since.
                retry = self._tend() or retry
                said = False
            elif retry:
                if not said:
                    self._progress.waits()
                said = True
                time.sleep(RETRY)
            else:
                return
        self._interrupt(interruption.signal_number)

    def _begin_runs(self) -> bool:
        """Begins as many runs as there are GPUs for.

        Returns:
            Whether to try again soon, as other sweeps have the GPUs.
        """
        while len(self._tasks) < self._slots.capacity:
            lease = self._slots.take()
            if lease is None:
                # Many looks at many runs are too much for a file server.
                return bool(self._tasks) or any(self._candidates())
            if not self._begin_one(lease):
                return False
        return False

    def _begin_one(self, lease: Lease) -> bool:
        """Begins the next run that can be had; False if there is none."""
        with contextlib.ExitStack() as held:
            held.callback(lease.release)
            for run in self._candidates():
                claim = claims.take(run.path, in_words(lease.gpus))
                if claim is None:
                    continue
                self._tried.add(run.path)
                if outcome_of(run.path).state == "done":  # By now.
                    claim.finish()
                    continue
                held.callback(_let_go, run, claim)
                began = self._clock()
                started = donors.started(run, self._runs)
                process = Child(started, claim, lease)
                self._tasks.append(
                    _Task(run, process, lease.gpus, held.pop_all(), began)
                )
                return True
        return False

    def _candidates(self) -> Iterator[SweepRun]:
        """Yields runs to do, in the order in which they are tried."""
        wanted = (
            run
            for run in self._runs
            if run.path not in self._tried and self._wanted(run)
        )
        in_progress = [task.run for task in self._tasks]
        yield from donors.in_order(wanted, in_progress, self._runs)

    def _wanted(self, run: SweepRun) -> bool:
        outcome = outcome_of(run.path)
        if outcome.state == "failed":
            return self._failures.get(run.path) == _written(run)
        return outcome.state in ("new", "interrupted")

    def _tend(self) -> bool:
        """Waits a little for the runs in progress; whether one has ended."""
        before = tuple(self._tasks)
        for place, task in enumerate(before):
            if task.child.wait(0 if place else POLL):
                self._tasks.remove(task)
                self._end(task)
        self._progress.watch([task.run for task in self._tasks])
        return len(self._tasks) < len(before)

    def _end(self, task: _Task) -> None:
        task.held.close()
        seconds = self._clock() - task.began
        outcome = outcome_of(task.run.path)
        others = len(self._tasks)
        self._progress.ended(task.run, task.gpus, seconds, outcome, others)
        self._on_end()

    def _interrupt(self, signal_number: int) -> None:
        """Hands a signal on, and waits until all children have ended."""
        paths = [str(task.run.path) for task in self._tasks]
        for task in self._tasks:
            task.child.ask_to_end(signal_number)
        while self._tasks:
            self._tend()
        keep = (
            "keep their last steps" if len(paths) > 1 else "keeps its last step"
        )
        kept = f"{', '.join(paths)} {keep}. " if paths else ""
        raise Interrupted(signal_number, f"{kept}The same command goes on.")


def _let_go(run: SweepRun, claim: Claim) -> None:
    """Ends this process' claim on a run; for good if it has its result."""
    if (run.path / "result.json").is_file():
        claim.finish()
    else:
        claim.release()


def _written(run: SweepRun) -> float:
    """When a run's log was last written to."""
    return log_of(run.path).stat().st_mtime
