"""Writes the page of a clustering, from the figures of each section.

The text around the figures is in templates/clustering.html.j2, whose blocks
have the names of the sections.
"""

from __future__ import annotations

import itertools
import math
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from and_tf.reporting import charts, page
from and_tf.reporting.encoder_sections import MOST_CLASSES
from and_tf.reporting.page import Section, bar, number, percent
from and_tf.reporting.pictures import Tile, framed, groups, saved_picture
from and_tf.scan import validation
from and_tf.scan.clustering import Clustering
from and_tf.training.run_directory import versions

MOST = 20  # The largest number of clusters that are shown without a click.
# The number of most confident images of a cluster that are shown, and of least
# confident ones.
SHOWN = 4
METRICS = ("acc", "nmi", "ari", "acc_top5")

Values = dict[str, Any]


def write(found: Clustering, output: pathlib.Path) -> None:
    """Writes the page of a clustering to a file, see `page.write`."""
    page.write("clustering.html.j2", found, SECTIONS, output)


def outcome(found: Clustering) -> Values:
    """Returns the cards, and rows of k-means and of each step of clustering."""
    rows = [
        (
            name,
            percent(metrics["acc"]),
            bar(metrics["acc"], name != "k-means"),
            *(percent(metrics.get(key)) for key in METRICS[1:]),
        )
        for name, metrics in _methods(found)
        if metrics and found.has_labels
    ]
    return {
        "cards": _cards(found),
        "rows": rows,
        "collapse": _collapse(found),
    }


def _cards(found: Clustering) -> list[tuple[str, str]]:
    """Returns the main figures, each with its name.

    With labels they are the accuracies of the clusters and of k-means; without
    labels, the figures that need no labels.
    """
    result = found.result
    used = f"{result['clusters_used']} of {result['clusters']}", "clusters used"
    if not found.has_labels:
        loss = f"{result['validation_loss']:.3f}"
        return [
            used,
            (number(result["num_examples"]), "images learnt from"),
            (loss, "loss, evaluation images"),
        ]
    cards = [(percent(result["acc"]), f"ACC of {found.method}")]
    if result["kmeans"]:
        cards.append((percent(result["kmeans"]["acc"]), "ACC of k-means"))
    cards += [(percent(result["nmi"]), "NMI"), (percent(result["ari"]), "ARI")]
    return [*cards, used]


def _methods(found: Clustering) -> Iterator[tuple[str, Values | None]]:
    result = found.result
    yield "k-means", result["kmeans"]
    name = "oracle" if result["uses_labels"] else found.method
    yield name, result["after_clustering"]
    if (result["self_labelling"] or {}).get("epochs"):
        yield "+ self-labelling", result


def _collapse(found: Clustering) -> str:
    """Returns a warning if most images are in one cluster, "" otherwise."""
    sizes = found.result["cluster_sizes"]
    if not found.result["collapsed"]:
        return ""
    return validation.COLLAPSED.format(
        used=found.result["clusters_used"],
        clusters=len(sizes),
        largest=100 * max(sizes) / sum(sizes),
    )


def curves(found: Clustering) -> Values:
    """Returns charts of ACC, the loss and its parts, and cluster use."""
    compared = found.result["kmeans"]
    k_means = {"k-means": compared["acc"]} if compared else {}
    losses = {
        "loss": ("training", "ink"),
        "validation_loss": ("evaluation", "orange"),
    }
    even = {"even": math.log(found.result["clusters"])}
    shares, low = {"in_percent": True}, {"from_zero": True}
    acc: charts.Quantities = {"acc": (found.method, "blue")}
    wanted: list[tuple[str, charts.Quantities, Values]] = [
        ("ACC, %", acc, shares | {"bases": k_means}),
        ("Loss", losses, {}),
        ("Consistency", {"consistency_loss": ("", "green")}, {}),
        (
            "Entropy of the clusters' use",
            {"entropy": ("", "sky")},
            low | {"bases": even},
        ),
        (
            "Largest cluster, % of the images",
            {"largest_cluster": ("", "purple")},
            shares | low,
        ),
    ]
    drawn = (
        charts.of_history(found.history, title, of, **options)
        for title, of, options in wanted
    )
    return {"charts": list(itertools.chain(*drawn))}


def sizes(found: Clustering) -> Values:
    """Returns a row per cluster, the largest first."""
    counts = found.result["cluster_sizes"]
    whole, largest = sum(counts), max(counts)
    rows = [
        (
            _name(found, cluster),
            number(counts[cluster]),
            percent(counts[cluster] / whole),
            bar(counts[cluster] / largest, True),
        )
        for cluster in sorted(range(len(counts)), key=lambda c: -counts[c])
    ]
    return {"rows": rows, "whole": whole, "are_many": len(rows) > MOST}


def _name(found: Clustering, cluster: int) -> str:
    """Returns a cluster's number, and the class that it was matched to."""
    label = found.label_of(cluster)
    if label < 0:
        return f"cluster {cluster}"
    return f"{cluster} → {found.class_names[label]}"


def confusion(found: Clustering) -> Values:
    """Returns the confusion matrix, or its picture if it is too large."""
    if not found.has_labels:
        return {}
    counts = found.result["confusion"]
    names = found.class_names
    if len(counts) > MOST_CLASSES:
        picture = saved_picture(found.directory.confusion)
        return {"counts": None, "picture": picture}
    columns = [*names, "no class"]
    if not any(row[-1] for row in counts):
        counts, columns = [row[:-1] for row in counts], names
    return {"counts": counts, "names": names, "columns": columns}


def prototypes(found: Clustering) -> Values | None:
    """Returns the picture of the prototypes, or None if it is missing."""
    picture = saved_picture(found.directory.prototypes)
    return picture and {"picture": picture}


def samples(found: Clustering) -> Values:
    """Returns the most and the least confident images of each cluster.

    The classifier is applied to all evaluation images for this.
    """
    probabilities = found.probabilities
    if probabilities is None:
        return {"clusters": None}
    assigned = probabilities.argmax(1)
    counts = np.bincount(assigned, minlength=probabilities.shape[1])
    largest = np.argsort(-counts, kind="stable")[:MOST]
    clusters = [
        (
            _name(found, cluster),
            groups(
                _ends(
                    found,
                    probabilities[:, cluster],
                    np.flatnonzero(assigned == cluster),
                    cluster,
                )
            ),
        )
        for cluster in sorted(int(c) for c in largest if counts[c])
    ]
    return {"clusters": clusters, "shown": SHOWN}


def _ends(
    found: Clustering, sure: np.ndarray, members: np.ndarray, cluster: int
) -> list[list[Tile]]:
    """Returns the most and the least confident members, without repetition.

    Args:
        found: The clustering.
        sure: [M], each image's probability of the cluster.
        members: int64 [m], the numbers of the images in the cluster.
        cluster: The number of the cluster.
    """
    order = members[np.argsort(-sure[members], kind="stable")]
    ends = order[:SHOWN], order[SHOWN:][-SHOWN:]
    label = found.label_of(cluster)
    rows = [
        [Tile(found.queries, n, lines=(percent(sure[n], 0),)) for n in end]
        for end in map(np.ndarray.tolist, ends)
    ]
    return [[framed(tile, label) for tile in row] for row in rows if row]


def reproduction(found: Clustering) -> Values:
    """Returns the command and versions to repeat the clustering with."""
    source = found.result["pretext"]
    rows = [
        ("seed", str(found.result["seed"])),
        ("encoder's checkpoint", source["checkpoint"]),
        ("encoder's weights, SHA-256", source["encoder_sha256"][:16]),
        ("page written with", f"tensorflow {versions()['tensorflow']}"),
    ]
    rows += [
        (f"clustered with {k}", v) for k, v in found.result["versions"].items()
    ]
    return {
        "command": page.config_command("cluster", found.config),
        "rows": rows,
    }


# The sections are in the order in which a reader needs them.
SECTIONS = (
    Section("outcome", "How it ended", outcome),
    Section("curves", "Curves", curves),
    Section("sizes", "Cluster sizes", sizes),
    Section("confusion", "Confusion", confusion),
    Section("prototypes", "Prototypes", prototypes),
    Section("samples", "Most and least confident", samples),
    Section("neighbours", "Mined neighbours", lambda _: {}),
    Section("reproduction", "How to run it again", reproduction),
)
