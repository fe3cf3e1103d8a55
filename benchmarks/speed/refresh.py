"""Compare the refresh of a bank: all rows' entropies and neighbours."""

from __future__ import annotations

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
OURS = "and_tf, entropies too"
FAISS = "faiss, IndexFlatIP"
GEMM = "the product alone, TensorFlow"
BLOCK = 1024


def ours(threads: int, n: int, k: int, dim: int = DIM) -> Work:
    """Prepare `nearest`, as discovery calls it."""
    sides.start_tensorflow(threads)
    import tensorflow as tf

    from and_tf.search.nearest import nearest

    rows = tf.constant(sides.unit_rows(n, dim))

    def search():
        return nearest(
            rows, rows, k, temperature=TEMPERATURE, exclude_self=True
        )

    def answer() -> dict[str, np.ndarray]:
        found = search()
        return {"similarity": found.similarity, "index": found.index}

    return Work(seconds(search), answer)


def look(
    threads: int, n: int, k: int, dim: int, repeats: int
) -> tuple[float, float]:
    """Return the best seconds of a refresh, and the MiB that it takes.

    Args:
        threads: To compute with.
        n: N.
        k: Neighbours of a row.
        dim: D.
        repeats: Of which the best counts. A first one, which compiles, counts
            for the memory alone.
    """
    work = ours(threads, n, k, dim)
    before = sides.peak()
    work.measure()
    best = min(work.measure() for _ in range(repeats))
    return best, (sides.peak() - before) / sides.MEBI


def faiss(threads: int, n: int, k: int) -> Work:
    """Prepare one neighbour more, since a row is its own nearest."""
    sides.start_faiss(threads)
    import faiss

    rows = sides.unit_rows(n, DIM)
    index = faiss.IndexFlatIP(DIM)
    index.add(rows)

    def answer() -> dict[str, np.ndarray]:
        similarity, number = index.search(rows, k + 1)
        return {
            "similarity": similarity[:, 1:],
            "index": number[:, 1:].astype(np.int32),
        }

    return Work(seconds(lambda: index.search(rows, k + 1)), answer)


def gemm(threads: int, n: int, k: int) -> Work:
    """Prepare all similarities, block by block, and nothing made of them."""
    sides.start_tensorflow(threads)
    import tensorflow as tf

    del k
    rows = tf.constant(sides.unit_rows(n, DIM))

    @tf.function(autograph=False)
    def product(block: tf.Tensor) -> tf.Tensor:
        return tf.matmul(block, rows, transpose_b=True)[0, 0]

    def all_blocks() -> None:
        for start in range(0, n, BLOCK):
            product(rows[start : start + BLOCK]).numpy()

    all_blocks()
    return Work(seconds(all_blocks))


SPEED = Comparison(
    name="refresh",
    title="Refresh of a bank",
    does=(
        "Every row's k nearest among all others, D = 128, and, here alone, "
        "its entropy."
    ),
    unit="s",
    sides=(
        Side(OURS, ours),
        Side(FAISS, faiss, needs="faiss", note="neighbours alone"),
        Side(GEMM, gemm, alike=False, note="less work: a bound"),
    ),
    cases=[
        Case(f"N = 50,000, k = {k}", {"n": 50_000, "k": k}, Target(1, (FAISS,)))
        for k in (1, 10, 100)
    ],
    quick=[Case("N = 600, k = 2", {"n": 600, "k": 2}, Target(1, (FAISS,)))],
    # Indices: equal similarities may come in either order.
    tolerance=1e-3,
    repeats=3,
)
