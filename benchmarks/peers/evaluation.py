"""Ask every side the same: kNN on its features, and on whitened ones."""

from __future__ import annotations

import numpy as np

NEIGHBOURS, TEMPERATURE = 200, 0.1
COMPONENTS = 256  # At most, of whitened features.


def evaluate(features: str, images: str) -> dict[str, float]:
    """Return the kNN top-1 of queries among the clean training images.

    Args:
        features: An .npz with the arrays train [N, F] and queries [Q, F], the
            pooled features. Where there are embedding_train and
            embedding_queries, the plain figure is that of these.
        images: The .npz of `images.write`, with the labels.

    Returns:
        "plain", as they are, and "whitened", the features after a PCA of
        those of the training images, without labels. Both are shares.
    """
    with np.load(features) as file:
        found = dict(file)
    with np.load(images) as file:
        labels = file["query_labels"], file["train_labels"]
    plain = [
        found.get(f"embedding_{part}", found[part])
        for part in ("queries", "train")
    ]
    white = whitened(found["queries"], found["train"])
    return {
        "plain": _top1(*plain, *labels),
        "whitened": _top1(*white, *labels),
    }


def whitened(
    queries: np.ndarray, train: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Whiten two sets of features by a PCA of the second.

    Args:
        queries: float32 [Q, F].
        train: float32 [N, F].

    Returns:
        float32 [Q, D] and [N, D], where D is F but at most `COMPONENTS`.
    """
    from and_tf.encoders.whitening import fit_whitening

    dim = min(COMPONENTS, train.shape[1])
    mean, projection = fit_whitening(train, dim)
    return (queries - mean) @ projection, (train - mean) @ projection


def _top1(
    queries: np.ndarray,
    train: np.ndarray,
    query_labels: np.ndarray,
    train_labels: np.ndarray,
) -> float:
    import and_tf

    return and_tf.weighted_knn(
        _unit(queries),
        query_labels,
        _unit(train),
        train_labels,
        neighbours=NEIGHBOURS,
        temperature=TEMPERATURE,
    ).top1


def _unit(rows: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(norms, 1e-12)).astype(np.float32)
