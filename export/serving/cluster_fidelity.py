"""Compares an exported clustering with the original."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from and_tf.data.pipeline import clean_batches, pass_batch
from and_tf.data.split import Split
from and_tf.utils.progress import Counted
from export.tensor_names import OUTPUT, PROBABILITIES

# A function from uint8 [B, S, S, 3] to "embedding" and "probabilities".
Outputs = Callable[[np.ndarray], Mapping[str, np.ndarray]]


def measure(
    original: keras.Model,
    exported: Outputs,
    split: Split,
    *,
    image_size: int,
    matching: list[int] | None = None,
) -> dict[str, Any]:
    """Applies both models to all images of a split and compares the outputs.

    Args:
        original: The model with the outputs "embedding" and "probabilities".
        exported: The model that was exported from it.
        split: The images, of which the clean views are taken.
        image_size: The side S of the images, in pixels.
        matching: The class of each cluster, −1 for none; None if no labels
            were known.

    Returns:
        The share of images with the same cluster; the largest difference of
        a probability; the mean and the minimum of the embeddings' cosines;
        and the accuracies of both by `matching`, None without labels.
    """
    mine, theirs = _ask(original.predict_on_batch, exported, split, image_size)
    clusters = [side[PROBABILITIES].argmax(1) for side in (mine, theirs)]
    differences = np.abs(mine[PROBABILITIES] - theirs[PROBABILITIES])
    cosines = np.einsum(
        "nd,nd->n", mine[OUTPUT], theirs[OUTPUT], dtype=np.float64
    )
    original_acc, acc = (accuracy(c, split.labels, matching) for c in clusters)
    return {
        "agreement": float(np.mean(clusters[0] == clusters[1])),
        "largest_difference": float(differences.max()),
        "acc": acc,
        "original_acc": original_acc,
        "mean_cosine": float(cosines.mean()),
        "minimum_cosine": float(cosines.min()),
        "split": split.name,
        "images": split.size,
    }


def accuracy(
    assigned: np.ndarray, labels: np.ndarray | None, matching: list[int] | None
) -> float | None:
    """Computes the share of labelled images in a cluster of their class.

    Args:
        assigned: int64 [n], the cluster of each image.
        labels: int64 [n], −1 if unknown; None if there are no labels.
        matching: The class of each cluster, as in `measure`.

    Returns:
        The accuracy in [0, 1]; None without labels or without a matching.
    """
    if labels is None or matching is None or not (labels >= 0).any():
        return None
    known = labels >= 0
    right = np.array(matching)[assigned[known]] == labels[known]
    return float(right.mean())


def _ask(
    original: Outputs, exported: Outputs, split: Split, image_size: int
) -> list[dict[str, np.ndarray]]:
    """Computes the outputs of both models for a whole split, in one pass."""
    found: list[list[Mapping[str, np.ndarray]]] = [[], []]
    size = pass_batch(image_size)
    images = clean_batches(split, image_size, size).as_numpy_iterator()
    with Counted(f"cluster {split.name}", split.size) as progress:
        for batch, _ in images:
            found[0].append(original(batch))
            found[1].append(exported(batch))
            progress.advance(len(batch))
    return [
        {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}
        for parts in found
    ]
