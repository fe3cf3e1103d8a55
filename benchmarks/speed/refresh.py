"""Compare the refresh of a bank: all rows' entropies and neighbours."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from and_tf.utils.errors import InputError
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


def ours(threads: int, n: int, k: int) -> Work:
    """Prepare `nearest`, as discovery calls it."""
    _, search = _prepared(threads, n, k)

    def answer() -> dict[str, np.ndarray]:
        found = search()
        return {"similarity": found.similarity, "index": found.index}

    return Work(seconds(search), answer)


def _prepared(
    threads: int,
    n: int,
    k: int,
    dim: int = DIM,
    bank: str = "",
    probes: int = 0,
) -> tuple[Any, Callable[[], Any]]:
    """Return rows as a tensor and their search; arguments as of `look`."""
    sides.start_tensorflow(threads)
    import tensorflow as tf

    from and_tf.search.cells import nearest_in_cells
    from and_tf.search.nearest import nearest

    rows = tf.constant(np.load(bank) if bank else sides.unit_rows(n, dim))
    shared = {"temperature": TEMPERATURE}
    if probes:
        return rows, lambda: nearest_in_cells(rows, k, probes, **shared)
    return rows, lambda: nearest(rows, rows, k, exclude_self=True, **shared)


@dataclasses.dataclass(frozen=True)
class Look:
    """Holds what a refresh takes, and what one in cells finds.

    Attributes:
        seconds: The best of the repeats.
        mebibytes: What the process holds more at its peak, a first refresh
            that compiles included.
        recall: The share of the k nearest that were found, and
        entropy_error: the mean absolute error of entropies, both on
            `cells.ASKED` rows; nothing is missed where all rows are searched.
    """

    seconds: float
    mebibytes: float
    recall: float = 1.0
    entropy_error: float = 0.0


def look(
    threads: int,
    n: int,
    k: int,
    dim: int,
    repeats: int,
    bank: str = "",
    probes: int = 0,
) -> Look:
    """Measure a refresh of random rows, or of those of a file.

    Args:
        threads: To compute with.
        n: N.
        k: Neighbours of a row.
        dim: D.
        repeats: Of which the best counts, after one that compiles.
        bank: An .npy file of float32 [N, D]; if "", rows are random.
        probes: Cells that are searched for each row; 0 searches all rows.
    """
    rows, search = _prepared(threads, n, k, dim, bank, probes)
    before = sides.peak()
    found = search()
    once = seconds(search)
    best = min(once() for _ in range(repeats))
    memory = (sides.peak() - before) / sides.MEBI
    if not probes:
        return Look(best, memory)
    from and_tf.search import cells
    from and_tf.search.nearest import nearest

    asked = np.random.default_rng(0).choice(n, min(n, cells.ASKED), False)
    exact = nearest(rows.numpy()[asked], rows, 1, temperature=TEMPERATURE)
    assert exact.entropy is not None  # As there is a temperature.
    assert found.entropy is not None
    error = np.abs(exact.entropy - found.entropy[asked]).mean()
    return Look(best, memory, cells.recall(rows, found.index), float(error))


def shape_of(bank: str) -> tuple[int, int]:
    """Read N and D of the .npy file of a bank.

    Raises:
        InputError: If it is not a file of float32 [N, D].
    """
    try:
        rows = np.load(bank, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise InputError(f"--bank: cannot read {bank}: {error}.") from error
    if rows.ndim != 2 or rows.dtype != np.float32 or len(rows) < 2:
        raise InputError(
            f"--bank: expected float32 [N, D] with at least 2 rows. Received: "
            f"{rows.dtype} {list(rows.shape)} in {bank}."
        )
    return rows.shape[0], rows.shape[1]


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
