"""Measures the quality of clusters without labels, to help choose C.

If the number of classes is unknown, try several C and compare their metrics.
Each metric has its limits:

1. The silhouette is highest if clusters are the dense groups of the features,
   which need not be classes.
2. Heads with different initial weights agree if there is one good way to make
   C clusters. They disagree if C forces classes to be merged or split.
3. All neighbours are together if there is a single cluster. The share falls
   as C grows, and falls faster once C splits groups that belong together.
4. Confidence says how sharp the predictions are, but not if they are right.
"""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_rand_score

from and_tf.evaluation import cluster_metrics
from and_tf.scan.mining import agreement
from and_tf.scan.validation import Assessment
from and_tf.utils import archives, atomic_files
from and_tf.utils.averages import percent

_ARRAYS = {"places": ("iu", 1), "features": ("f", 2)}
MOST = 3000  # The most images for the silhouette, which compares all pairs.


@dataclasses.dataclass(frozen=True)
class Sample:
    """A sample of images, with their features before the clustering.

    Features that are fine-tuned by a clustering would separate its clusters in
    any case, and would differ for every C.

    Attributes:
        places: int64 [n], the indices of the images in the split, ascending.
        features: float32 [n, D], their features.
    """

    places: np.ndarray
    features: np.ndarray


def draw_sample(features: np.ndarray, most: int = MOST) -> Sample:
    """Draws a random sample, always the same for the same images.

    Args:
        features: float32 [M, D], the features of the evaluation split.
        most: The size of the sample, at most M.
    """
    places = cluster_metrics.draw(len(features), most)
    return Sample(places, features[places])


def write(path: pathlib.Path, sample: Sample) -> None:
    """Writes a sample, as a resumed run does not compute it again."""
    atomic_files.write(
        path, lambda file: np.savez(file, **dataclasses.asdict(sample))
    )


def read(path: pathlib.Path, size: int) -> Sample | None:
    """Reads a sample; None if the file is missing or damaged.

    Without a sample, only the silhouette is missing.

    Args:
        path: The file.
        size: The number M of images in the evaluation split.
    """
    try:
        sample = Sample(*archives.read(path, _ARRAYS))
        archives.check_rows(size, sample.places)
    except archives.DAMAGE:
        return None
    whole = len(sample.places) == len(sample.features) and sample.features.size
    return sample if whole and np.isfinite(sample.features).all() else None


def measures(
    found: Assessment, neighbours: np.ndarray, sample: Sample | None
) -> dict[str, Any]:
    """Computes all metrics for result.json; unavailable ones are None.

    Args:
        found: The assessment of M images.
        neighbours: int32 [M, K], the neighbours mined among these images.
        sample: A sample of these images; None leaves out the silhouette.
    """
    assigned, total = found.assigned, len(found.probabilities)
    return {
        "silhouette": sample
        and cluster_metrics.silhouette(
            sample.features, assigned[sample.places], "cosine"
        ),
        "heads_agree": heads_agreement(found.by_head),
        "neighbours_together": agreement(neighbours, assigned),
        "confidence": float(found.probabilities.max(1).mean()),
        "clusters_used": found.used,
        "smallest_cluster": float(found.sizes.min() / total),
        "largest_cluster": found.largest,
        "silhouette_of": "clean embeddings of the run that was clustered, "
        f"{len(sample.places) if sample else 0:,} images, cosine distance",
    }


def heads_agreement(by_head: np.ndarray | None) -> float | None:
    """Computes the adjusted Rand index, averaged over all pairs of heads.

    Args:
        by_head: int64 [M, H], the cluster of each image by each head.

    Returns:
        The mean index; None if there is only one head.
    """
    if by_head is None or by_head.shape[1] < 2:
        return None
    pairs = itertools.combinations(by_head.T, 2)
    return float(np.mean([adjusted_rand_score(*pair) for pair in pairs]))


def sentence(found: dict[str, Any]) -> str:
    """Formats the result of `measures` as a line for the console."""
    parts = []
    if found["silhouette"] is not None:
        parts.append(f"silhouette {found['silhouette']:.3f}")
    if found["heads_agree"] is not None:
        parts.append(f"heads agree {found['heads_agree']:.2f}")
    parts += [
        f"{percent(found['neighbours_together'])} of neighbours together",
        f"confidence {percent(found['confidence'])}",
    ]
    return f"without labels: {', '.join(parts)}"
