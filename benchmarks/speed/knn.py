"""Compare the weighted kNN evaluation."""

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
DIM, CLASSES = 128, 10
SLICE = 1000  # Queries at a time, of the sides that hold all similarities.
PYTORCH = "PyTorch, matmul and topk"
FAISS = "faiss, IndexFlatIP, and NumPy"


def draw(queries: int, gallery: int) -> tuple[np.ndarray, ...]:
    """Draw queries, their labels, the gallery and its labels."""
    return (
        *sides.clustered_rows(queries, DIM, CLASSES, 1),
        *sides.clustered_rows(gallery, DIM, CLASSES, 3),
    )


def ours(threads: int, queries: int, gallery: int, k: int) -> Work:
    """Prepare `and_tf.evaluation.knn.weighted_knn`."""
    sides.start_tensorflow(threads)
    from and_tf.evaluation.knn import weighted_knn

    arrays = draw(queries, gallery)

    def classify() -> np.ndarray:
        return weighted_knn(
            *arrays, neighbours=k, temperature=TEMPERATURE
        ).predictions

    return Work(seconds(classify), lambda: {"predictions": classify()})


def pytorch(threads: int, queries: int, gallery: int, k: int) -> Work:
    """Prepare all similarities of some queries, topk, votes by scatter."""
    sides.start_torch(threads)
    import torch

    asked, _, rows, labels = map(torch.from_numpy, draw(queries, gallery))

    def vote(queries: torch.Tensor) -> torch.Tensor:
        similarity, index = (queries @ rows.T).topk(k, dim=1)
        ballots = torch.zeros(len(queries), CLASSES)
        ballots.scatter_add_(1, labels[index], (similarity / TEMPERATURE).exp())
        return ballots.argmax(1)

    def classify() -> np.ndarray:
        return torch.cat([vote(part) for part in asked.split(SLICE)]).numpy()

    return Work(seconds(classify), lambda: {"predictions": classify()})


def faiss(threads: int, queries: int, gallery: int, k: int) -> Work:
    """Prepare a search, and votes counted by NumPy."""
    sides.start_faiss(threads)
    import faiss

    asked, _, rows, labels = draw(queries, gallery)
    index = faiss.IndexFlatIP(DIM)
    index.add(rows)

    def classify() -> np.ndarray:
        similarity, found = index.search(asked, k)
        place = np.arange(queries)[:, None] * CLASSES + labels[found]
        ballots = np.bincount(
            place.ravel(),
            np.exp(similarity.ravel() / TEMPERATURE),
            minlength=queries * CLASSES,
        )
        return ballots.reshape(queries, CLASSES).argmax(1)

    return Work(seconds(classify), lambda: {"predictions": classify()})


def _case(queries: int, gallery: int, k: int) -> Case:
    return Case(
        f"{queries:,} against {gallery:,}, K = {k}",
        {"queries": queries, "gallery": gallery, "k": k},
        Target(1, (PYTORCH, FAISS)),
    )


COMPARISON = Comparison(
    name="knn",
    title="Weighted kNN evaluation",
    does=(
        "The class of each query by votes exp(cos/0.1) of its K nearest, from "
        "embeddings of 128 numbers, 10 classes."
    ),
    unit="s",
    sides=(
        Side("and_tf", ours),
        Side(PYTORCH, pytorch, needs="torch"),
        Side(FAISS, faiss, needs="faiss"),
    ),
    cases=[_case(10_000, 50_000, 200)],
    quick=[_case(50, 400, 20)],
    tolerance=1e-3,
)
