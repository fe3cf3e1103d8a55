"""How cost grows: with the bank's rows, with k, with replicas."""

from __future__ import annotations

from typing import Any

from benchmarks.speed import inputs, libraries, memory, refresh, training_step
from benchmarks.speed.comparison import Case, Comparison, Side, Work, rate

SIZES = (10_000, 50_000, 100_000, 300_000, 1_000_000)
REFRESHED = (10_000, 25_000, 50_000, 100_000)


def step(threads: int, **arguments: Any) -> Work:
    """A training step; milliseconds."""
    work = training_step.ours(threads, **arguments)
    work.measure()
    return Work(lambda: 1e3 * arguments["batch"] / work.measure())


def step_memory(threads: int, **arguments: Any) -> Work:
    """The most that a process holds while it trains; MiB."""
    work = training_step.ours(threads, **arguments)

    def mebibytes() -> float:
        memory.restart_peak()
        for _ in range(3):
            work.measure()
        return memory.peak() / 2**20

    return Work(mebibytes)


def search(threads: int, n: int, k: int) -> Work:
    """A refresh, compiled by a first one."""
    work = refresh.ours(threads, n, k)
    return Work(work.measure, lambda: work.answer() and {})


def replicas(threads: int, **task: Any) -> Work:
    """A step of `benchmarks.scaling`, with its exchanges; milliseconds."""
    del threads
    from benchmarks.scaling import measure

    task = {"measure": "time", "backbone": "small", **task}
    return Work(lambda: 1e3 * measure(**task)["seconds"])


def product(threads: int, library: str, n: int) -> Work:
    """A product of two square matrices of n rows."""
    left, right = inputs.unit_rows(n, n, 0), inputs.unit_rows(n, n, 1)
    flops = 2 * n**3 / 1e9
    if library == "torch":
        libraries.torch(threads)
        import torch

        a, b = torch.from_numpy(left), torch.from_numpy(right)
        return Work(
            rate(lambda: a @ b, flops, 3), lambda: {"c": (a @ b).numpy()}
        )
    libraries.tensorflow(threads)
    import tensorflow as tf

    a, b = tf.constant(left), tf.constant(right)
    return Work(
        rate(lambda: tf.matmul(a, b).numpy(), flops, 3),
        lambda: {"c": tf.matmul(a, b).numpy()},
    )


def _steps(sizes: tuple[int, ...], batch: int, size: int) -> list[Case]:
    network = {"backbone": "small", "width": 1.0}
    return [
        Case(f"N = {n:,}", {"n": n, "batch": batch, "size": size, **network})
        for n in sizes
    ]


def _replicas(counts: tuple[int, ...], **task: int) -> list[Case]:
    return [
        Case(
            f"{r} replicas, bank {'sharded' if shard else 'whole'}",
            {"replicas": r, "shard": shard, "embedding_dim": 128, **task},
        )
        for r in counts
        for shard in (False, True)[: min(r, 2)]
    ]


PRODUCT = Comparison(
    name="product",
    title="What the machine can do",
    does="The product of two square float32 matrices.",
    unit="GFLOP/s",
    sides=(
        Side("TensorFlow", product, {"library": "tensorflow"}),
        Side("PyTorch", product, {"library": "torch"}, needs="torch"),
    ),
    cases=[Case("3,000 rows", {"n": 3_000})],
    quick=[Case("64 rows", {"n": 64})],
)
STEP = Comparison(
    name="growth_step",
    title="A step against N",
    does="Training step with the backbone `small`, batch 128, 32×32, D = 128.",
    unit="ms",
    sides=(Side("and_tf", step),),
    cases=_steps(SIZES, 128, 32),
    quick=_steps((100, 200), 4, 8),
)
STEP_MEMORY = Comparison(
    name="growth_memory",
    title="Memory against N",
    does=(
        "The most that the process of these steps holds, TensorFlow itself "
        "and the bank of N × 512 bytes included."
    ),
    unit="MiB",
    sides=(Side("and_tf", step_memory),),
    cases=_steps(SIZES, 128, 32),
    quick=_steps((100,), 4, 8),
    repeats=1,
    fresh=True,
)
REFRESH = Comparison(
    name="growth_refresh",
    title="A refresh against N and k",
    does="Entropies and the k nearest of all rows, D = 128.",
    unit="s",
    sides=(Side("and_tf", search),),
    cases=[
        Case(f"N = {n:,}, k = {k}", {"n": n, "k": k})
        for k in (1, 10, 100)
        for n in REFRESHED
    ],
    quick=[Case(f"N = {n}, k = 1", {"n": n, "k": 1}) for n in (300, 600)],
    repeats=2,
)
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
    sides=(Side("and_tf", replicas),),
    cases=_replicas(
        (1, 2, 4), image_size=32, num_examples=50_000, batch_size=32, steps=20
    ),
    quick=_replicas(
        (1,), image_size=8, num_examples=100, batch_size=4, steps=2
    ),
    repeats=3,
)
