"""Schedules the runs of a sweep on the GPUs of a machine."""

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

POLL = 0.2  # Seconds between two checks of the runs in progress.
RETRY = 1.0  # Seconds between two checks for a GPU, if no run is in progress.


@dataclasses.dataclass(frozen=True)
class _Task:
    """A run in progress.

    Attributes:
        run: The run.
        child: The process that does the run.
        gpus: The GPUs that the run uses.
        held: A stack that releases the run's claim and GPUs when closed.
        began: The time at which the run began, by the clock of its `Work`.
    """

    run: SweepRun
    child: Child
    gpus: tuple[str, ...]
    held: contextlib.ExitStack
    began: float


class Work:
    """The work of this process on a sweep.

    A single thread begins and watches all child processes. As many run at the
    same time as the GPUs have slots for; without GPUs, one.

    Args:
        runs: All runs of the sweep.
        slots: The GPUs for the runs; None is no GPU.
        stream: The stream that `Progress` prints to; None is standard output.
        clock: A function that returns seconds since any fixed moment.
        on_end: A function that is called whenever a run has ended for any
            reason.
    """

    def __init__(
        self,
        runs: Sequence[SweepRun],
        slots: GpuSlots | None = None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_end: Callable[[], object] = lambda: None,
    ) -> None:
        self._runs = runs
        self._slots = slots or GpuSlots()
        self._clock = clock
        self._on_end = on_end
        self._progress = Progress(runs, self._slots, stream, clock)
        self._tasks: list[_Task] = []
        self._tried: set[pathlib.Path] = set()
        # Runs that failed before are tried again, but not runs that fail in
        # another process from now on.
        self._failures = {
            run.path: _written(run)
            for run in runs
            if outcome_of(run.path).state == "failed"
        }

    def do(self, interruption: Interruption) -> None:
        """Does all runs that are not done and not claimed by other processes.

        Args:
            interruption: The signals that the caller hears. It begins to do
                so before this call: whoever reads the first line printed here
                may send a signal before the first process has started.

        Raises:
            InputError: If the sweep's directory or the files of the GPU slots
                cannot be written to.
            Interrupted: If a signal arrives. It is raised after the trainings
                have saved their last steps.
        """
        for run in self._runs:
            outcome = outcome_of(run.path)
            if outcome.state == "done":
                self._progress.done_before(run, outcome)
                self._tried.add(run.path)
        left = [run for run in self._runs if run.path not in self._tried]
        self._progress.announce(left)
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
                retry = self._begin_runs(interruption)
            if self._tasks:
                # When a run has ended, another can begin. It may also be a run
                # that another process began and did not finish.
                retry = self._tend() or retry
                said = False
            elif retry:
                if not said:
                    self._progress.waits()
                said = True
                time.sleep(RETRY)
            else:
                break
        if interruption.signal_number:
            self._interrupt(interruption.signal_number)

    def _begin_runs(self, interruption: Interruption) -> bool:
        """Begins as many runs as there are GPUs for, until a signal arrives.

        Returns:
            True to try again soon, as other sweeps use the GPUs.
        """
        while len(self._tasks) < self._slots.capacity:
            if interruption.signal_number:
                return False
            lease = self._slots.take()
            if lease is None:
                # With runs in progress, the candidates are not checked: many
                # checks of many runs are too much for a file server.
                return bool(self._tasks) or any(self._candidates())
            if not self._begin_one(lease):
                return False
        return False

    def _begin_one(self, lease: Lease) -> bool:
        """Begins the next available run; returns False if there is none."""
        with contextlib.ExitStack() as held:
            held.callback(lease.release)
            for run in self._candidates():
                claim = claims.take(run.path, in_words(lease.gpus))
                if claim is None:
                    continue
                self._tried.add(run.path)
                # Another process may have finished the run just now.
                if outcome_of(run.path).state == "done":
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
        """Waits a little for runs to end; returns whether one has ended."""
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
        """Sends a signal to all children, and waits until they have ended.

        Raises:
            Interrupted: Always, with a message for the user.
        """
        paths = [str(task.run.path) for task in self._tasks]
        for task in self._tasks:
            task.child.ask_to_end(signal_number)
        while self._tasks:
            self._tend()
        keep = (
            "keep their last steps" if len(paths) > 1 else "keeps its last step"
        )
        kept = f"{', '.join(paths)} {keep}. " if paths else ""
        raise Interrupted(signal_number, f"{kept}The same command continues.")


def _let_go(run: SweepRun, claim: Claim) -> None:
    """Releases the claim on a run; removes all its claims if it is done."""
    if (run.path / "result.json").is_file():
        claim.finish()
    else:
        claim.release()


def _written(run: SweepRun) -> float:
    """Returns the time at which a run's log was last written."""
    return log_of(run.path).stat().st_mtime
