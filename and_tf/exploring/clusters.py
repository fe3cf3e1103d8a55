"""Finds the clusters of images, proposes their number, and keeps their names.

Clusters are kept in `clusters.npz` of the output, so that new images can be put
into them, and so that a cluster that is found again among more images has its
number and its name again.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import softmax

from and_tf.evaluation import cluster_metrics
from and_tf.search import kmeans
from and_tf.utils import archives, atomic_files, text_tables
from and_tf.utils.errors import InputError
from and_tf.utils.escaping import from_csv
from and_tf.utils.progress import Counted

NONE = -1  # The cluster of an image that is in none.
_TRIED = (2, 3, 5, 8, 12, 16, 24, 32, 48, 64, 96)
_SAMPLE = 3000  # Images of the silhouette, which compares all pairs.
_LEAST_ON_AVERAGE = 10  # Images of a cluster, where their number is proposed.
_RESTARTS = 3
_PROTOTYPES = 10  # For each cluster.
_LEAST_MEMBERS = 5  # Of a cluster that hdbscan finds.
# HDBSCAN compares all pairs: more images take hours, more components dilute
# what is dense.
_MOST_HDBSCAN, _COMPONENTS = 50_000, 32
# Above this share of common images, a cluster counts as an earlier one.
_SAME = 0.5
_ARRAYS = {
    "centres": ("f", 2),
    "files": ("U", 1),
    "assigned": ("iu", 1),
    "names": ("U", 1),
    "mean": ("f", 1),
    "projection": ("f", 2),
    "mark": ("U", 0),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Clusters:
    """The clusters of N images.

    Attributes:
        assigned: int64 [N], the cluster of each image; `NONE` for none.
        probability: float32 [N], how surely an image is in its cluster.
        is_prototype: bool [N], True for the images that show best what is in
            a cluster.
        names: The name of each of the C clusters; "" for none.
        centres: float32 [C, D] of unit norm.
    """

    assigned: np.ndarray
    probability: np.ndarray
    is_prototype: np.ndarray
    names: tuple[str, ...]
    centres: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Kept:
    """The clusters of an earlier exploration, as `clusters.npz` has them.

    Attributes:
        centres: float32 [C, D].
        files: The names of the images that were clustered.
        assigned: int64, the cluster of each of them.
        names: The names of the clusters.
        mean: float32 [F], see `whitening.fit_whitening`; empty where nothing
            was whitened.
        projection: float32 [F, D], likewise.
        mark: The hash of the encoder.
    """

    centres: np.ndarray
    files: np.ndarray
    assigned: np.ndarray
    names: np.ndarray
    mean: np.ndarray
    projection: np.ndarray
    mark: np.ndarray


def of_probabilities(
    rows: np.ndarray, probabilities: np.ndarray, names: Sequence[str]
) -> Clusters:
    """Makes the clusters that a network tells.

    Args:
        rows: float32 [N, D] of unit norm, the embeddings.
        probabilities: float32 [N, C].
        names: The name of each cluster.
    """
    assigned = probabilities.argmax(1).astype(np.int64)
    sure = probabilities.max(1)
    return _finish(rows, assigned, sure, names)


def by_kmeans(rows: np.ndarray, count: int, seed: int) -> Clusters:
    """Clusters embeddings by k-means.

    The probability of a cluster is a softmax of the cosines with all centres,
    with the temperature at which centres are as far apart as they are.

    Args:
        rows: float32 [N, D] of unit norm.
        count: C, at most N.
        seed: Random seed.
    """
    found = kmeans.fit(rows, count, seed=seed, restarts=_RESTARTS)
    return assign(rows, found.centres, [""] * count)


def assign(
    rows: np.ndarray, centres: np.ndarray, names: Sequence[str]
) -> Clusters:
    """Puts images into the clusters of given centres.

    Args:
        rows: float32 [N, D] of unit norm.
        centres: float32 [C, D].
        names: The name of each cluster.
    """
    distance = kmeans.distances(rows, centres)  # [N, C]
    assigned = distance.argmin(1).astype(np.int64)
    nearest = distance.min(1)
    # The variance of an image about its centre, which a Gaussian of the same
    # width around each centre would have.
    spread = max(float((nearest**2).mean()), 1e-12)
    probabilities = softmax(-(distance**2) / spread, axis=1)
    return _finish(rows, assigned, probabilities.max(1), names)


def by_hdbscan(rows: np.ndarray) -> Clusters:
    """Finds dense regions; images in none of them are in no cluster.

    Args:
        rows: float32 [N, D] of unit norm.

    Raises:
        InputError: If there are more than 50,000 images.

    References:
        Campello et al., https://doi.org/10.1007/978-3-642-37456-2_14
    """
    if len(rows) > _MOST_HDBSCAN:
        raise InputError(
            f"Expected at most {_MOST_HDBSCAN:,} images for "
            f"--cluster_by=hdbscan. Received: {len(rows):,}. Use "
            "--cluster_by=kmeans."
        )
    # These imports take a second, and few explorations use them.
    from sklearn.cluster import HDBSCAN
    from sklearn.decomposition import PCA

    short = PCA(min(_COMPONENTS, *rows.shape), random_state=0).fit_transform(
        rows
    )
    least = max(_LEAST_MEMBERS, round(len(rows) ** 0.5 / 4))
    found = HDBSCAN(min_cluster_size=min(least, len(rows)), copy=True).fit(
        short
    )
    count = int(found.labels_.max()) + 1
    return _finish(
        rows,
        found.labels_.astype(np.int64),
        found.probabilities_.astype(np.float32),
        [""] * count,
    )


def propose(tried: Mapping[int, float]) -> int:
    """Proposes a number of clusters: that with the highest silhouette.

    It is a proposal and no truth: the silhouette is highest for the groups
    that are dense in the features.

    Args:
        tried: The silhouette of each number that was tried, see `silhouettes`.
    """
    return max(tried, key=tried.__getitem__) if tried else 1


def silhouettes(rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Measures the silhouettes of some numbers of clusters.

    Args:
        rows: float32 [N, D] of unit norm.
        seed: Random seed.

    Returns:
        The numbers of clusters that were tried, int64 [n], and the silhouette
        of each, float64 [n].
    """
    places = cluster_metrics.draw(len(rows), _SAMPLE)
    tried: dict[int, float] = {}
    # Smaller clusters are dense, and nothing that one would look through.
    most = len(rows) // _LEAST_ON_AVERAGE
    counts = [c for c in _TRIED if c <= max(most, min(3, len(rows) // 3))]
    with Counted("clusters tried", len(counts)) as progress:
        for count in counts:
            found = kmeans.fit(rows, count, seed=seed)
            score = cluster_metrics.silhouette(
                rows[places], found.assigned[places], "cosine"
            )
            if score is not None:
                tried[count] = score
            progress.advance(1)
    return np.array([*tried], np.int64), np.array([*tried.values()])


def as_before(
    found: Clusters, files: Sequence[str], kept: Kept | None
) -> Clusters:
    """Gives clusters the numbers and names that they had before.

    A cluster counts as an earlier one if more than half of the images that
    were in the earlier one are in it, of those that are still there, and more
    than half of its own that were there before come from it.

    Args:
        found: The clusters found now.
        files: The N names of the images.
        kept: The earlier clusters; None for none.
    """
    if kept is None:
        return found
    before = dict(zip(kept.files.tolist(), kept.assigned.tolist(), strict=True))
    count, old = len(found.names), len(kept.names)
    common = np.zeros((count, old))
    for now, file in zip(found.assigned.tolist(), files, strict=True):
        then = before.get(file, NONE)
        if now >= 0 and then >= 0:
            common[now, then] += 1
    whole = np.maximum(common.sum(0, keepdims=True), common.sum(1)[:, None])
    share = common / np.maximum(whole, 1)
    same = {
        int(now): int(then)
        for now, then in zip(*linear_sum_assignment(-share), strict=True)
        if share[now, then] > _SAME
    }
    order = _order(count, same)  # order[number now] = number to have.
    names = [""] * count
    centres = np.empty_like(found.centres)
    for now in range(count):
        then = same.get(now)
        names[order[now]] = (
            str(kept.names[then]) if then is not None else found.names[now]
        )
        centres[order[now]] = found.centres[now]
    places = np.append(order, NONE)  # NONE stays NONE.
    return dataclasses.replace(
        found,
        assigned=places[found.assigned],
        names=tuple(names),
        centres=centres,
    )


def _order(count: int, same: Mapping[int, int]) -> np.ndarray:
    """Numbers clusters: as before where that number is in use, or free ones."""
    order = np.full(count, NONE, np.int64)
    for now, then in same.items():
        if then < count:
            order[now] = then
    free = iter(sorted({*range(count)} - {*order.tolist()}))
    for now in np.flatnonzero(order < 0).tolist():
        order[now] = next(free)
    return order


def name(found: Clusters, names: Mapping[int, str]) -> Clusters:
    """Gives some clusters the names of a user."""
    unknown = [number for number in names if number >= len(found.names)]
    if unknown:
        raise InputError(
            f"Expected clusters from 0 to {len(found.names) - 1} in --names. "
            f"Received: {unknown[0]}."
        )
    told = [names.get(c, old) for c, old in enumerate(found.names)]
    return dataclasses.replace(found, names=tuple(told))


def names_from_labels(
    found: Clusters, labels: Sequence[str | None]
) -> Clusters:
    """Names clusters without a name by the label that most images have.

    A label names a cluster only if more than half of its labelled images have
    it; the same label for a second cluster gets a number.
    """
    counts: list[dict[str, int]] = [{} for _ in found.names]
    for cluster, label in zip(found.assigned.tolist(), labels, strict=True):
        if cluster >= 0 and label is not None:
            counts[cluster][label] = counts[cluster].get(label, 0) + 1
    told = list(found.names)
    for cluster, those in enumerate(counts):
        if told[cluster] or not those:
            continue
        most = max(those, key=lambda label: (those[label], label))
        if those[most] > sum(those.values()) / 2:
            told[cluster] = _unused(most, told)
    return dataclasses.replace(found, names=tuple(told))


def _unused(name: str, taken: Sequence[str]) -> str:
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name} {number}"
    return found


def read_names(path: str) -> dict[int, str]:
    """Reads a CSV file with the columns cluster and name.

    Raises:
        InputError: If it cannot be read, or a row has no number or no name.
    """
    columns = "cluster", "name"
    told = text_tables.read_mapping(path, columns, "names")
    for number in told:
        if not number.isdecimal():
            error = ValueError(f"{number!r} is no number of a cluster")
            raise text_tables.refused(path, columns, "names", error)
    found = {int(number): from_csv(name) for number, name in told.items()}
    # What clusters.csv says of a cluster without a name is no name.
    return {n: name for n, name in found.items() if name != f"cluster {n}"}


def write(path: pathlib.Path, kept: Kept) -> None:
    """Writes clusters for later explorations."""
    arrays = dataclasses.asdict(kept)
    atomic_files.write(path, lambda file: np.savez(file, **arrays))


def read(path: pathlib.Path) -> Kept | None:
    """Reads the clusters of an earlier exploration; None if there are none.

    Raises:
        InputError: If the file is damaged.
    """
    if not os.path.exists(path):
        return None
    try:
        kept = Kept(*archives.read(path, _ARRAYS))
        count = len(kept.names)
        archives.check_rows(count + 1, kept.assigned - NONE)
        if len(kept.files) != len(kept.assigned) or count != len(kept.centres):
            raise ValueError("its arrays do not fit each other")
    except archives.DAMAGE as error:
        raise InputError(
            f"Expected the clusters of an earlier exploration in {path}. "
            f"Received a damaged file ({archives.why(error)}). Delete it to "
            "find clusters anew."
        ) from error
    return kept


def _finish(
    rows: np.ndarray,
    assigned: np.ndarray,
    probability: np.ndarray,
    names: Sequence[str],
) -> Clusters:
    count = len(names)
    centres = np.zeros((count, rows.shape[1]), np.float32)
    np.add.at(centres, assigned[assigned >= 0], rows[assigned >= 0])
    norm = np.linalg.norm(centres, axis=1, keepdims=True)
    centres /= np.maximum(norm, 1e-12)
    return Clusters(
        assigned,
        probability.astype(np.float32),
        _prototypes(rows, assigned, centres),
        tuple(names),
        centres,
    )


def _prototypes(
    rows: np.ndarray, assigned: np.ndarray, centres: np.ndarray
) -> np.ndarray:
    """Marks the images of each cluster that are nearest its centre."""
    chosen = np.zeros(len(rows), bool)
    for cluster, centre in enumerate(centres):
        members = np.flatnonzero(assigned == cluster)
        order = np.argsort(-(rows[members] @ centre), kind="stable")
        chosen[members[order[:_PROTOTYPES]]] = True
    return chosen
