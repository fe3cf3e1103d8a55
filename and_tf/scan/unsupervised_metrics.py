"""What tells how good clusters are without a label, so that C can be chosen.

Where the number of classes is not known, several C are tried and compared by
what needs no label. Each measure has its blind spot:

1. the silhouette is highest where clusters are the clumps of the features,
   which need not be classes;
2. heads that began apart agree where there is one way to make C clusters, and
   not where classes have to be joined or split somehow;
3. neighbours are together in a single cluster too: their share falls as C
   grows, and falls faster once C splits what belongs together;
4. confidence says how sharp clusters are, right or wrong.
"""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_rand_score, silhouette_score

from and_tf.scan.validation import Assessment
from and_tf.utils import archives, atomic_files

_ARRAYS = {"places": ("iu", 1), "features": ("f", 2)}
MOST = 3000  # Images that the silhouette is of; it compares all pairs.


@dataclasses.dataclass(frozen=True)
class Sample:
    """Some images' features, of before the clustering.

    Those that the clustering learns would tell its own clusters apart in any
    case, and are others for every C.

    Attributes:
        places: int64 [n], in the split, ascending.
        features: float32 [n, D].
    """

    places: np.ndarray
    features: np.ndarray


def draw_sample(features: np.ndarray, most: int = MOST) -> Sample:
    """A random sample, the same for every clustering of the same images.

    Args:
        features: float32 [M, D], of the split that clusters are assessed on.
        most: Its size, if there are so many.
    """
    places = np.arange(len(features))
    if len(features) > most:
        chosen = np.random.default_rng(0).choice(places, most, replace=False)
        places = np.sort(chosen)
    return Sample(places, features[places])


def write(path: pathlib.Path, sample: Sample) -> None:
    """Writes a sample, as a resumed run has no such features any more."""
    atomic_files.write(
        path, lambda file: np.savez(file, **dataclasses.asdict(sample))
    )


def read(path: pathlib.Path, size: int) -> Sample | None:
    """Reads a sample; None if it is lost, which costs a measure.

    Args:
        path: The file.
        size: M, of the images that it is a sample of.
    """
    try:
        sample = Sample(*archives.read(path, _ARRAYS))
        archives.check_rows(size, sample.places)
    except archives.DAMAGE:
        return None
    whole = len(sample.places) == len(sample.features)
    return sample if whole and np.isfinite(sample.features).all() else None


def measures(
    found: Assessment, neighbours: np.ndarray, sample: Sample | None
) -> dict[str, Any]:
    """All of them, for result.json; None where one cannot be had.

    Args:
        found: On M images.
        neighbours: int32 [M, K], mined among them.
        sample: Of them; None does without the silhouette.
    """
    assigned, total = found.assigned, len(found.probabilities)
    return {
        "silhouette": sample and silhouette(sample, assigned),
        "heads_agree": heads_agreement(found.by_head),
        "neighbours_together": neighbours_together(assigned, neighbours),
        "confidence": float(found.probabilities.max(1).mean()),
        "clusters_used": found.used,
        "smallest_cluster": float(found.sizes.min() / total),
        "largest_cluster": found.largest,
        "silhouette_of": "clean embeddings of the run that was clustered, "
        f"{len(sample.places) if sample else 0:,} images, cosine distance",
    }


def silhouette(sample: Sample, assigned: np.ndarray) -> float | None:
    """The mean silhouette coefficient by cosine distance, −1 to 1.

    Args:
        sample: Of the images.
        assigned: int64 [M], the cluster of each.

    Returns:
        None where all are in one cluster, or each is in its own.
    """
    clusters = assigned[sample.places]
    if not 1 < len(np.unique(clusters)) < len(clusters):
        return None
    score = silhouette_score(sample.features, clusters, metric="cosine")
    return float(score)


def heads_agreement(by_head: np.ndarray | None) -> float | None:
    """The adjusted Rand index of two heads, mean over all pairs of heads.

    Args:
        by_head: int64 [M, H].

    Returns:
        None where there is one head alone.
    """
    if by_head is None or by_head.shape[1] < 2:
        return None
    pairs = itertools.combinations(by_head.T, 2)
    return float(np.mean([adjusted_rand_score(*pair) for pair in pairs]))


def neighbours_together(assigned: np.ndarray, neighbours: np.ndarray) -> float:
    """The share of mined neighbours that are in their image's cluster.

    Args:
        assigned: int64 [M].
        neighbours: int32 [M, K].
    """
    return float((assigned[neighbours] == assigned[:, None]).mean())


def sentence(found: dict[str, Any]) -> str:
    """What a finished clustering prints of `measures`."""
    parts = []
    if found["silhouette"] is not None:
        parts.append(f"silhouette {found['silhouette']:.3f}")
    if found["heads_agree"] is not None:
        parts.append(f"heads agree {found['heads_agree']:.2f}")
    parts += [
        f"{100 * found['neighbours_together']:.1f} % of neighbours together",
        f"confidence {100 * found['confidence']:.1f} %",
    ]
    return f"without labels: {', '.join(parts)}"
