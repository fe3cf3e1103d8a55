"""Compare the N-way loss alone: forward, and the embeddings' gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.harness.comparison import (
    Case,
    Comparison,
    Side,
    Target,
    Work,
    seconds,
)
from benchmarks.speed import sides

TEMPERATURE = 0.1
DIM = 128
OURS = "and_tf"
GEMM = "the two products alone, TensorFlow"
BLOCKS = "the same in blocks of 2,048 rows"
BOUND = "less work: a bound"
PLAIN = "plain TensorFlow"
PYTORCH = "PyTorch"
SIZES = (10_000, 50_000, 100_000, 300_000, 1_000_000)


def draw(n: int, batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw embeddings [b, D], their numbers [b] and the bank [N, D]."""
    sample_ids = np.random.default_rng(2).permutation(n)[:batch]
    return sides.unit_rows(batch, DIM, 1), sample_ids, sides.unit_rows(n, DIM)


def ours(threads: int, n: int, batch: int, calls: int) -> Work:
    """Prepare `and_tf.method.loss.losses`, no sample an anchor yet."""
    sides.start_tensorflow(threads)
    import tensorflow as tf

    from and_tf.method import loss as loss_functions

    x, sample_ids, rows = map(tf.constant, draw(n, batch))
    neighbours = tf.zeros([n, 1], tf.int32)
    is_anchor = tf.zeros([n], tf.bool)

    def loss(x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(
            loss_functions.losses(
                x, sample_ids, rows, neighbours, is_anchor, TEMPERATURE
            )
        )

    return _work(_with_gradient(loss, x), calls)


def plain_tensorflow(threads: int, n: int, batch: int, calls: int) -> Work:
    """Prepare all logits at once, and TensorFlow's own cross-entropy."""
    sides.start_tensorflow(threads)
    import tensorflow as tf

    x, sample_ids, rows = map(tf.constant, draw(n, batch))

    def loss(x: tf.Tensor) -> tf.Tensor:
        logits = tf.matmul(x, rows, transpose_b=True) / TEMPERATURE
        return tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(sample_ids, logits)
        )

    return _work(_with_gradient(loss, x), calls)


def gemm(threads: int, n: int, batch: int, calls: int, block: int = 0) -> Work:
    """Prepare the two products that no exact loss can do without.

    Args:
        block: Rows at a time, which stay in the cache; 0 takes all at once.
    """
    sides.start_tensorflow(threads)
    import tensorflow as tf

    x, _, rows = map(tf.constant, draw(n, batch))
    parts = tf.split(rows, [block] * (n // block) + [n % block] if block else 1)

    @tf.function(autograph=False)
    def products() -> tf.Tensor:
        total = tf.zeros_like(x)
        for part in parts:
            with tf.control_dependencies([total]):  # One after another.
                logits = tf.matmul(x, part, transpose_b=True)  # [b, block]
            total += tf.matmul(logits, part)
        return total

    traced = products.get_concrete_function()
    return Work(
        seconds(lambda: traced().numpy(), calls, 1e3),
        lambda: {"products": traced().numpy()},
    )


def pytorch(threads: int, n: int, batch: int, calls: int) -> Work:
    """Prepare a product with the bank, cross-entropy, and autograd."""
    sides.start_torch(threads)
    import torch

    x, sample_ids, rows = map(torch.from_numpy, draw(n, batch))
    x.requires_grad_()

    def step() -> tuple:
        x.grad = None
        logits = x @ rows.T / TEMPERATURE
        loss = torch.nn.functional.cross_entropy(logits, sample_ids)
        loss.backward()
        return loss.detach().numpy(), x.grad.numpy()

    return _work(step, calls)


def _with_gradient(loss: Callable, x: Any) -> Callable[[], tuple]:
    """Trace a function that returns the loss and its gradient, as NumPy."""
    import tensorflow as tf

    @tf.function(autograph=False)
    def step() -> tuple:
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(x)
        return value, tape.gradient(value, x)

    traced = step.get_concrete_function()
    return lambda: tuple(part.numpy() for part in traced())


def _work(step: Callable[[], tuple], calls: int) -> Work:
    """Time steps; with `calls` 0, measure the memory of the first one."""

    def answer() -> dict[str, np.ndarray]:
        loss, gradient = step()
        return {"loss": np.asarray(loss), "gradient": gradient}

    def mebibytes() -> float:
        before = sides.held()
        sides.restart_peak()
        step()
        return (sides.peak() - before) / sides.MEBI

    return Work(seconds(step, calls, 1e3) if calls else mebibytes, answer)


def _sizes(sizes: tuple[int, ...], batch: int, calls: int) -> list[Case]:
    return [
        Case(f"N = {n:,}", {"n": n, "batch": batch, "calls": calls})
        for n in sizes
    ]


SPEED = Comparison(
    name="loss",
    title="N-way loss, forward and backward",
    does=(
        "The mean loss of 128 embeddings against a bank of 128 columns, and "
        "its gradient with respect to the embeddings."
    ),
    unit="ms",
    sides=(
        Side(OURS, ours),
        Side(PLAIN, plain_tensorflow),
        Side(PYTORCH, pytorch, needs="torch"),
        Side(GEMM, gemm, alike=False, note=BOUND),
        Side(BLOCKS, gemm, {"block": 2048}, alike=False, note=BOUND),
    ),
    cases=[
        Case(
            "N = 50,000",
            {"n": 50_000, "batch": 128, "calls": 10},
            Target(0.5, (GEMM, BLOCKS)),
        )
    ],
    quick=_sizes((500,), 8, 2),
    repeats=9,
)
MEMORY = Comparison(
    name="loss_memory",
    title="Memory of the N-way loss",
    does=(
        "What the first loss and gradient of 128 embeddings take beside the "
        "bank itself, at most."
    ),
    unit="MiB",
    sides=SPEED.sides[:3],
    cases=_sizes(SIZES, 128, 0),
    quick=_sizes((500, 2_000), 8, 0),
    repeats=1,
    fresh=True,
)
