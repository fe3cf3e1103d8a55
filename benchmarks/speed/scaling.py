"""Measure a training step on several replicas, and count its exchanges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from and_tf.utils import cli
from benchmarks.harness.comparison import Case, Comparison, Side, Work
from benchmarks.speed import sides
from benchmarks.speed.traffic import Exchange


def step(threads: int, alone: bool = False, **task: Any) -> Work:
    """Prepare a step; milliseconds.

    Args:
        threads: For all replicas of a CPU together.
        alone: Whether replicas exchange nothing.
        **task: See `replicas.Task`.
    """
    sides.start_tensorflow(threads)
    from benchmarks.speed.replicas import Task, timed

    return timed(Task(**task), alone)


def count_exchanges(**task: Any) -> list[Exchange]:
    """Trace a step and return its exchanges; for a process of its own.

    Args:
        **task: See `replicas.Task`.
    """
    cli.import_tensorflow()
    from benchmarks.speed.replicas import Task, exchanges

    return exchanges(Task(**task))


def cases(counts: Sequence[int], **task: Any) -> list[Case]:
    """Make a case a number of replicas, and two of several: sharded too.

    Args:
        counts: The numbers.
        **task: The rest of `replicas.Task`.
    """
    return [
        Case(
            f"{r} replicas, bank {'sharded' if shard else 'whole'}",
            {"replicas": r, "shard": shard, **task},
        )
        for r in counts
        for shard in (False, True)[: min(r, 2)]
    ]


REPLICAS = Comparison(
    name="growth_replicas",
    title="A step on several replicas",
    does=(
        "`benchmarks.scaling`: a step with the backbone `small`, 32 images a "
        "replica, N = 50,000. Replicas on a machine without GPUs are parts of "
        "its CPU and share its cores: a perfect step takes as many times as "
        "long as there are replicas."
    ),
    unit="ms",
    sides=(Side("and_tf", step),),
    cases=cases(
        (1, 2, 4), backbone="small", image_size=32, num_examples=50_000,
        batch_size=32, steps=20,
    ),
    quick=cases(
        (1,), backbone="small", image_size=8, num_examples=100, batch_size=4,
        steps=2,
    ),
    repeats=3,
)  # fmt: skip
