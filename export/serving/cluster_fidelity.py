"""How well an exported clustering does what the original does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from and_tf.data.pipeline import clean_batches
from and_tf.data.split import Split
from and_tf.evaluation.embeddings import BATCH
from and_tf.utils.progress import Counted
from export.tensor_names import OUTPUT, PROBABILITIES

# uint8 [B, S, S, 3] to "embedding" and "probabilities".
Outputs = Callable[[np.ndarray], Mapping[str, np.ndarray]]


def measure(
    original: keras.Model,
    exported: Outputs,
    split: Split,
    *,
    image_size: int,
    matching: list[int] | None = None,
) -> dict[str, Any]:
    """Asks both of every image and compares.

    Args:
        original: Gives both outputs.
        exported: Made from it.
        split: Images, clean views of which are asked about.
        image_size: S.
        matching: The class of each cluster, −1 for none; None where no
            labels were known.

    Returns:
        The share of images that have the same cluster, the largest difference
        of a probability, the embeddings' cosines; and where there are labels
        the accuracy of both by the matching that the clustering came with.
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
    """The share of labelled images whose cluster is matched to their class.

    Args:
        assigned: int64 [n], clusters.
        labels: int64 [n], −1 where unknown; or None.
        matching: See `measure`.
    """
    if labels is None or matching is None or not (labels >= 0).any():
        return None
    known = labels >= 0
    right = np.array(matching)[assigned[known]] == labels[known]
    return float(right.mean())


def _ask(
    original: Outputs, exported: Outputs, split: Split, image_size: int
) -> list[dict[str, np.ndarray]]:
    """The outputs of each for a whole split, in one pass."""
    found: list[list[Mapping[str, np.ndarray]]] = [[], []]
    images = clean_batches(split, image_size, BATCH).as_numpy_iterator()
    with Counted(f"cluster {split.name}", split.size) as progress:
        for batch, _ in images:
            found[0].append(original(batch))
            found[1].append(exported(batch))
            progress.advance(len(batch))
    return [
        {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}
        for parts in found
    ]
