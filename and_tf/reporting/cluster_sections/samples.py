"""What the clusters are surest and least sure of."""

from __future__ import annotations

import numpy as np

from and_tf.reporting.markup import Html, block, element, join, note, paragraph
from and_tf.reporting.reported_clustering import ReportedClustering
from and_tf.reporting.section import Section
from and_tf.reporting.tiles import Tile, groups

NAME, TITLE = "samples", "Most and least confident"
MOST = 20  # Clusters, the largest ones.
SHOWN = 4  # Images at either end of each.


def section(found: ReportedClustering) -> Section:
    """A heading a cluster; asks the model of every image."""
    if found.probabilities is None:
        return Section(NAME, TITLE, _missing(found))
    assigned = found.probabilities.argmax(1)
    sizes = np.bincount(assigned, minlength=found.probabilities.shape[1])
    largest = np.argsort(-sizes, kind="stable")[:MOST]
    shown = sorted(int(c) for c in largest if sizes[c])
    legend = ""
    if found.has_labels:
        legend = (
            " ✓ stands where the image has the class that the cluster is "
            "matched to, ✗ where it has another."
        )
    parts = [
        paragraph(
            f"Images of {found.split.name} with the probability of their "
            f"cluster: {SHOWN} that it is surest of, then {SHOWN} that it is "
            f"least sure of.{legend}"
        )
    ]
    for cluster in shown:
        parts += [
            element("h3", found.cluster_name(cluster)),
            groups(_ends(found, np.flatnonzero(assigned == cluster), cluster)),
        ]
    return Section(NAME, TITLE, join(*parts))


def _ends(
    found: ReportedClustering, members: np.ndarray, cluster: int
) -> list[list[Tile]]:
    """The surest and the least sure members, none of them twice."""
    sure = found.probabilities[members, cluster]
    order = members[np.argsort(-sure, kind="stable")]
    ends = order[:SHOWN], order[SHOWN:][-SHOWN:]
    return [[_tile(found, n, cluster) for n in end] for end in ends if len(end)]


def _tile(found: ReportedClustering, number: int, cluster: int) -> Tile:
    share = found.probabilities[number, cluster]
    tile = Tile(found.split, int(number), lines=(f"{100 * share:.0f} %",))
    label = found.label_of(cluster)
    if tile.label < 0 or label < 0:
        return tile
    kind = "same" if tile.label == label else "other"
    return Tile(tile.split, tile.number, kind, tile.lines)


def _missing(found: ReportedClustering) -> Html:
    """Why no image is shown, and how they can be."""
    command = f"python -m and_tf.report --run_dir={found.directory.path}"
    if not found.evaluates:
        text = "This page was written with --noevaluate. To ask the model:"
        return join(note(text), block(command))
    text = (
        "This needs the images and the model, which could not be loaded. "
        "Where the images have moved, name their place:"
    )
    return join(note(text), block(f"{command} --data_dir=…"))
