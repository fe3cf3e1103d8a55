"""Collects the figures of a run under the same names everywhere.

A training has kNN accuracies. A clustering has accuracies of its clusters, and
figures that measure their quality without labels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from and_tf.utils import averages, provenance, records, schemas
from and_tf.utils.averages import Values, known, mean_deviation
from and_tf.utils.schemas import is_clustering

NONE = "–"
# The prefixes of a round's number and of a layer's name.
ROUND, LINEAR = "round_", "linear_"
LABELS_USED = "With --mining=oracle, labels were used in training.\n"
HOW_TO_READ = (
    "Without labels, to choose C by: the higher the silhouette (−1 to 1) and "
    "the agreement between heads (adjusted Rand index, 0 is chance), the "
    "better C suits the images. Neighbours together, to be compared at one K, "
    "fall as C grows; the last C before they fall faster splits nothing yet. "
    "Unused clusters, or one with most of the images, tell of a C too large.\n"
)


def percent(values: Values) -> str:
    """Formats fractions in percent: "51.9 ± 0.3", or "51.9" for one seed.

    If only some seeds have a value, their number is added: "51.9 (1 of 3)".
    """
    return _text([None if x is None else 100 * x for x in values], 1)


def number(values: Values) -> str:
    """Formats values as they are: "0.519 ± 0.003"."""
    return _text(values, 3)


def count(values: Values) -> str:
    """Formats counts: "9" if all are equal, or "9.5 ± 0.7"."""
    whole = len(set(values)) == 1
    return _text(values[:1], 0) if whole else _text(values, 1)


def _text(values: Values, digits: int) -> str:
    mean, deviation = mean_deviation(values)
    if mean is None:
        return NONE
    text = averages.with_deviation(mean, deviation, digits)
    if (there := len(known(values))) < len(values):
        text += f" ({there} of {len(values)})"
    return text


@dataclasses.dataclass(frozen=True)
class Measure:
    """A column of a table.

    Attributes:
        heading: The heading of the column.
        text: A function that formats the values of several seeds.
        ranked: True if the highest mean is the best.
    """

    heading: str
    text: Callable[[Values], str] = percent
    ranked: bool = True


KNN = {
    "knn_top1_last": Measure("last epoch, clean"),
    "knn_top1_best": Measure("best epoch, bank"),
}
MATCHED = {
    "acc": Measure("ACC"),
    "nmi": Measure("NMI"),
    "ari": Measure("ARI"),
    "acc_majority": Measure("many to one"),
    "clustered_acc": Measure("before self-labelling", ranked=False),
    "kmeans_acc": Measure("k-means ACC", ranked=False),
}
WITHOUT_LABELS = {
    "silhouette": Measure("silhouette", number),
    "heads_agree": Measure("heads agree", number),
    "neighbours_together": Measure("neighbours together", ranked=False),
    "confidence": Measure("confidence", ranked=False),
    "clusters_used": Measure("used", count, ranked=False),
    "largest_cluster": Measure("largest", ranked=False),
}


def figures_of(result: Mapping[str, Any]) -> dict[str, float]:
    """Returns the figures of a run by name, with accuracies as fractions.

    A training has `knn_top1_last` and `knn_top1_best` from result.json,
    `round_<r>` for kNN with the clean gallery at the end of each round, and
    `linear_<layer>` for linear classifiers by SGD, if they were evaluated after
    the last epoch. A clustering has the names of `MATCHED` and
    `WITHOUT_LABELS`. Figures that the run does not have are left out, such as
    accuracies without labels.

    Args:
        result: The content of the run's result.json.
    """
    of_kind = _of_clustering if is_clustering(result) else _of_training
    return {n: x for n, x in of_kind(result).items() if x is not None}


def _of_training(result: Mapping[str, Any]) -> dict[str, float | None]:
    figures = {name: result[name] for name in KNN}
    for entry in result["neighbourhoods"]:
        figures[ROUND + str(entry["round"])] = entry.get("knn_clean")
    for row in (linear_of(result) or {"layers": []})["layers"]:
        figures[LINEAR + row["layer"]] = row["sgd_top1"]
    return figures


def linear_of(result: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Returns the linear protocol's figures of a training's last epoch.

    The result is None for figures of another checkpoint: the best checkpoint,
    for example, was chosen by test labels.
    """
    found = result.get("evaluation", {}).get("linear")
    # Every training has the number: without it, the file was damaged.
    if found is None or found.get("epochs") != result.get("epochs", -1):
        return None
    try:
        records.check(found, schemas.Linear)
    except records.WrongRecordError:  # It is treated as not evaluated.
        return None
    return found


def _of_clustering(result: Mapping[str, Any]) -> dict[str, float | None]:
    figures = {name: result.get(name) for name in MATCHED}
    figures["kmeans_acc"] = (result["kmeans"] or {}).get("acc")
    if result.get("self_labelling"):
        before = result.get("after_clustering") or {}
        figures["clustered_acc"] = before.get("acc")
    told = result.get("without_labels") or {}
    return figures | {name: told.get(name) for name in WITHOUT_LABELS}


def gather(
    results: Sequence[Mapping[str, Any]],
) -> dict[str, list[float | None]]:
    """Collects the figures of several runs.

    Args:
        results: The content of each run's result.json.

    Returns:
        For each name a list with one value for each run, None if the run does
        not have the figure.
    """
    found = [figures_of(result) for result in results]
    names = dict.fromkeys(name for figures in found for name in figures)
    return {name: [one.get(name) for one in found] for name in names}


def headline(result: Mapping[str, Any]) -> str:
    """Summarises a run in a few words: "kNN 51.8 %"; "" without labels.

    It ends with `provenance.MARK` if the run began with weights that have seen
    labels.
    """
    figures = figures_of(result)
    helped = provenance.is_helped(result)
    mark = f" {provenance.MARK}" if helped else ""
    for name, word in (("knn_top1_last", "kNN"), ("acc", "ACC")):
        if name in figures:
            return f"{word} {averages.percent(figures[name])}{mark}"
    return ""


def tables(names: Iterable[str]) -> list[list[str]]:
    """Returns the names of the figures that each table shows as columns.

    Args:
        names: The names of figures, from `figures_of`, in any order.

    Returns:
        The columns of the table of figures that need labels, followed by the
        rounds of a training, and the columns of the table of figures that do
        not. A table without columns is left out, unless both are.
    """
    names = set(names)
    rounds = sorted(
        (name for name in names if name.startswith(ROUND)), key=round_number
    )
    first = [name for name in (*KNN, *MATCHED) if name in names] + rounds
    second = [name for name in WITHOUT_LABELS if name in names]
    return [columns for columns in (first, second) if columns] or [[]]


def measure(name: str) -> Measure:
    """Returns the column of a figure: its heading and its format."""
    known = KNN | MATCHED | WITHOUT_LABELS
    if name in known:
        return known[name]
    place = round_number(name)
    return Measure(f"round {place}" if place else "instance")


def round_number(name: str) -> int:
    """Returns r from `round_<r>`."""
    return int(name.removeprefix(ROUND))


def caption(results: Sequence[Mapping[str, Any]]) -> str:
    """Returns a text about the figures' protocols, and how to read them."""
    told = {_caption(result) for result in results} - {""}
    text = "".join(sorted(told)) or "No labels, so no accuracies.\n"
    if any(result.get("uses_labels") for result in results):
        text += f"\n{LABELS_USED}"
    if note := provenance.footnote(results):
        text += f"\n{note}"
    if any(map(is_clustering, results)):
        text += f"\n{HOW_TO_READ}"
    return text


def _caption(result: Mapping[str, Any]) -> str:
    if is_clustering(result):
        return _clustering_caption(result)
    protocol = result["knn_protocol"]
    if not protocol:
        return ""
    return (
        f"kNN top-1 in percent, K = {protocol['K']}, "
        f"τ = {protocol['temperature']:g}, queries {protocol['queries']}; "
        "mean ± sample standard deviation over seeds, the highest mean bold. "
        f"Clean: gallery {protocol['gallery_last']}, also at the end of each "
        f"round. Bank: {protocol['gallery_best']}.\n"
    )


def _clustering_caption(result: Mapping[str, Any]) -> str:
    protocol = result["protocol"]
    if result["acc"] is None:
        return ""
    return (
        "ACC, NMI and ARI in percent, clusters matched on "
        f"{protocol['matched_on']}, {protocol['num_queries']:,} images, "
        "after the last epoch; mean ± sample standard deviation over seeds.\n"
    )
