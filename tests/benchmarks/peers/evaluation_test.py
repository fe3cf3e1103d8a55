"""What all sides are asked, held against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.peers import evaluation


def vote(queries, labels, gallery, theirs, neighbours, temperature) -> float:
    """The weighted kNN, one query at a time."""
    queries, gallery = (
        x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, gallery)
    )
    right = 0
    for query, label in zip(queries, labels, strict=True):
        cosines = gallery @ query
        nearest = np.argsort(-cosines)[:neighbours]
        weights = np.exp(cosines[nearest] / temperature)
        right += np.bincount(theirs[nearest], weights).argmax() == label
    return right / len(queries)


@pytest.fixture
def arrays(rng):
    """Classes in a direction that hardly varies, beside one that varies."""
    labels = rng.integers(0, 4, 400)
    features = rng.normal(size=(400, 6)) * [9, 1, 1, 1, 1, 1]
    features[:, 1:5] += 2 * np.eye(4)[labels]
    return features.astype(np.float32), labels


def test_plain_and_whitened(arrays, tmp_path):
    features, labels = arrays
    parts = {"train": features[:300], "queries": features[300:]}
    asked = {"train_labels": labels[:300], "query_labels": labels[300:]}
    np.savez(tmp_path / "features.npz", **parts)
    np.savez(tmp_path / "images.npz", **asked)
    paths = [str(tmp_path / f"{n}.npz") for n in ("features", "images")]
    found = evaluation.evaluate(*paths)
    plain = vote(
        features[300:], labels[300:], features[:300], labels[:300], 200, 0.1
    )
    assert found["plain"] == pytest.approx(plain)
    centred = features - features[:300].mean(0)
    values, vectors = np.linalg.eigh(np.cov(features[:300].T))
    white = centred @ (vectors / np.sqrt(values))
    expected = vote(white[300:], labels[300:], white[:300], labels[:300],
                    200, 0.1)  # fmt: skip
    assert found["whitened"] == pytest.approx(expected)
    assert expected > plain + 0.1

    # The plain figure is that of embeddings, where there are any.
    embeddings = {f"embedding_{n}": x[:, 1:5] for n, x in parts.items()}
    np.savez(paths[0], **parts, **embeddings)
    again = evaluation.evaluate(*paths)
    assert again["whitened"] == found["whitened"]
    assert again["plain"] > found["plain"] + 0.1
