"""What is measured of a run, by names that are the same everywhere.

A training has accuracies of kNN; a clustering those of its clusters, and what
tells without labels how good they are.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from and_tf.utils import records, schemas

NONE = "–"
ROUND, LINEAR = "round_", "linear_"  # Before a round's number, a layer's name.
LABELS_USED = "With --mining=oracle, labels were used in training.\n"
HOW_TO_READ = (
    "Without labels, to choose C by: the higher the silhouette (−1 to 1) and "
    "the agreement between heads (adjusted Rand index, 0 is chance), the "
    "better C suits the images. Neighbours together, to be compared at one K, "
    "fall as C grows; the last C before they fall faster splits nothing yet. "
    "Unused clusters, or one with most of the images, tell of a C too large.\n"
)


# A value a seed, None where a run has none.
Values = Sequence[float | None]


def known(values: Values) -> list[float]:
    """The values that there are."""
    return [value for value in values if value is not None]


def mean_deviation(values: Values) -> tuple[float, float | None]:
    """The mean, and the sample's standard deviation, None for one value.

    Args:
        values: At least one of which is there.
    """
    there = known(values)
    deviation = statistics.stdev(there) if len(there) > 1 else None
    return statistics.fmean(there), deviation


def percent(values: Values) -> str:
    """Fractions as "51.9 ± 0.3" in percent; "51.9" for a single one.

    Where only some have a value, so is said: "51.9 (1 of 3)".
    """
    return _text([None if x is None else 100 * x for x in values], 1)


def number(values: Values) -> str:
    """As they are: "0.519 ± 0.003"."""
    return _text(values, 3)


def count(values: Values) -> str:
    """Of things: "9", "9.5 ± 0.7"."""
    whole = len(set(values)) == 1
    return _text(values[:1], 0) if whole else _text(values, 1)


def _text(values: Values, digits: int) -> str:
    there = known(values)
    if not there:
        return NONE
    mean, deviation = mean_deviation(there)
    text = f"{mean:.{digits}f}"
    if deviation is not None:
        text += f" ± {deviation:.{digits}f}"
    if len(there) < len(values):
        text += f" ({len(there)} of {len(values)})"
    return text


@dataclasses.dataclass(frozen=True)
class Measure:
    """One column of a table.

    Attributes:
        heading: Above it.
        text: Writes the values of several seeds.
        ranked: Whether the highest mean is the best.
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


def is_clustering(result: Mapping[str, Any]) -> bool:
    """Whether a result.json is of a clustering, and not of a training."""
    return "cluster_sizes" in result


def figures_of(result: Mapping[str, Any]) -> dict[str, float]:
    """The figures of a run by name, accuracies as fractions.

    Of a training, `knn_top1_last` and `knn_top1_best` as result.json has
    them, `round_<r>` for the clean gallery's at the end of each round, and
    `linear_<layer>` for a linear classifier by SGD where it was evaluated
    after the last epoch. Of a clustering, what `MATCHED` and `WITHOUT_LABELS`
    name. What the run has not, as without labels, is not there.
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
    """The linear protocol's figures of a training's last epoch.

    Those of another checkpoint are no figures of the run: of its best one,
    they would be of an epoch that test labels chose.
    """
    found = result.get("evaluation", {}).get("linear")
    if found is None or found.get("epochs") != result["epochs"]:
        return None
    try:
        records.check(found, schemas.Linear)
    except records.WrongRecordError:  # As of no protocol.
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
    """Figures of several runs, a value each by name; None of one without."""
    found = [figures_of(result) for result in results]
    names = dict.fromkeys(name for figures in found for name in figures)
    return {name: [one.get(name) for one in found] for name in names}


def headline(result: Mapping[str, Any]) -> str:
    """A run in a word or two: "kNN 51.8 %"; empty without labels."""
    figures = figures_of(result)
    for name, word in (("knn_top1_last", "kNN"), ("acc", "ACC")):
        if name in figures:
            return f"{word} {100 * figures[name]:.1f} %"
    return ""


def tables(names: Iterable[str]) -> list[list[str]]:
    """Those of figures that tables show, a list of columns each.

    Args:
        names: From `figures_of`, in any order.

    Returns:
        What labels tell, the rounds of a training included, then what can be
        told without; at least one, which may have no column.
    """
    names = set(names)
    rounds = sorted(
        (name for name in names if name.startswith(ROUND)), key=round_number
    )
    first = [name for name in (*KNN, *MATCHED) if name in names] + rounds
    second = [name for name in WITHOUT_LABELS if name in names]
    return [columns for columns in (first, second) if columns] or [[]]


def measure(name: str) -> Measure:
    """How a figure's column is headed and written."""
    known = KNN | MATCHED | WITHOUT_LABELS
    if name in known:
        return known[name]
    place = round_number(name)
    return Measure(f"round {place}" if place else "instance")


def round_number(name: str) -> int:
    """r of `round_<r>`."""
    return int(name.removeprefix(ROUND))


def caption(results: Sequence[Mapping[str, Any]]) -> str:
    """What the figures are: their protocols, and how to read them."""
    told = {_caption(result) for result in results} - {""}
    text = "".join(sorted(told)) or "No labels, so no accuracies.\n"
    if any(result.get("uses_labels") for result in results):
        text += f"\n{LABELS_USED}"
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
