"""Makes the sections of a run's page that need its images and encoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix

from and_tf.evaluation.knn import Knn
from and_tf.figures.neighbour_gallery import spread_anchors
from and_tf.method.discovery import Neighbourhoods, consistency
from and_tf.protocols.neighbourhoods import read_rounds, round_name
from and_tf.reporting.charts import Chart, Curve
from and_tf.reporting.page import number, percent
from and_tf.reporting.pictures import (
    Tile,
    class_name,
    found_beside,
    groups,
    saved_picture,
)
from and_tf.training.run import Run
from and_tf.utils.errors import InputError

TILES = 40  # The approximate number of images in the gallery of a round.
FEWEST = 6  # The least number of anchors in a gallery.
GROUPS = 6  # The number of images shown as the best, and as the worst.
SHOWN = 5  # The largest number of neighbours shown beside an image.
MOST_CLASSES = 20  # A matrix of more classes would be illegible.
PAIRS = 12  # The number of most confused pairs of classes that are shown.
EXTREMES = 5  # The number of classes shown as the best, and as the worst.
SHADES = ("sky", "blue", "purple", "vermilion", "orange", "green")
COUNTS = ("anchors", "consistent", "inconsistent")
SHARES = ("consistency", "consistency_all", "anchors_kept", "neighbours_kept")

Groups = list[list[Tile]]
Values = dict[str, Any]


def neighbourhoods(run: Run) -> Values | None:
    """Returns figures, consistency by entropy, and a gallery per round.

    The result is None for a pretext without rounds.
    """
    last = run.directory.last_discovery()
    if last is None:
        return {"last": None} if run.config.has_bank else None
    figures = run.evaluation("neighbourhoods")
    values: Values = {
        "last": last,
        "figures": figures,
        "galleries": [],
        "error": "",
    }
    if figures is not None:
        values["rows"] = [
            (
                round_name(row["round"]),
                *(number(row[key]) for key in COUNTS),
                *(percent(row[key]) for key in SHARES),
            )
            for row in figures["rounds"]
        ]
        values["charts"] = list(_by_entropy(figures))
    if run.missing:
        return values | {"picture": saved_picture(run.directory.gallery(last))}
    try:
        rounds = read_rounds(run.directory, run.num_examples)
    except InputError as error:
        return values | {"error": str(error)}
    return values | {"galleries": [_gallery(run, found) for found in rounds]}


def _by_entropy(figures: dict[str, Any]) -> Iterator[Chart]:
    """Yields a chart of consistency against entropy, a curve per round."""
    curves, rounds = [], figures.get("consistency_by_entropy", {})
    for place, (name, shares) in enumerate(rounds.items()):
        values = 100 * np.array(shares, np.float64)  # None is NaN.
        known = np.isfinite(values)
        places = 100 * (np.arange(len(values)) + 0.5) / len(values)
        if known.any():
            colour = SHADES[place % len(SHADES)]
            curves.append(
                Curve(
                    round_name(int(name)), colour, places[known], values[known]
                )
            )
    if curves:
        yield Chart(
            "Consistency by entropy, %",
            "images in order of entropy, the most certain first, %",
            curves,
            extent=(0.0, 100.0),
            from_zero=True,
        )


def _gallery(run: Run, found: Neighbourhoods) -> Values:
    """Returns some of a round's anchors, evenly by rank of entropy.

    If there are labels, consistent and inconsistent anchors are separate.
    """
    shown = min(found.neighbours.shape[1], SHOWN)
    count = max(FEWEST, TILES // (1 + shown))
    if run.has_labels:
        labels = run.images.train.labels
        # NaN for samples without a label, which are in neither part.
        shares = consistency(found.neighbours, labels)
        parts = [
            _part(run, found, found.is_anchor & mask, max(1, count // 2), name)
            for name, mask in (
                ("consistent", shares == 1),
                ("inconsistent", shares < 1),
            )
        ]
    else:
        parts = [_part(run, found, found.is_anchor, count)]
    return {
        "round": found.round,
        "anchors": int(found.is_anchor.sum()),
        "neighbours": shown,
        "parts": parts,
    }


def _part(
    run: Run,
    found: Neighbourhoods,
    among: np.ndarray,
    count: int,
    name: str = "",
) -> Values:
    """Returns a part of a gallery: some anchors, and their total number.

    Args:
        run: The run with its images.
        found: The neighbourhoods of one round.
        among: bool [N], True for the anchors of this part.
        count: The largest number of anchors to show.
        name: The name of the part.
    """
    rows, whole = [], int(among.sum())
    if whole:
        chosen = dataclasses.replace(found, is_anchor=among)
        rows = _neighbours_of(run, found, spread_anchors(chosen, count))
    return {"name": name, "anchors": whole, "groups": rows}


def _neighbours_of(
    run: Run, found: Neighbourhoods, numbers: Iterable[int]
) -> Groups:
    """Returns images with their entropies, each beside its neighbours."""
    train, rows = run.images.train, []
    for image in map(int, numbers):
        entropy = (f"H {found.entropy[image]:.2f}",)
        first = Tile(train, image, "query", entropy)
        others = found.neighbours[image, :SHOWN]
        rows.append([first, *(found_beside(first, i, train) for i in others)])
    return groups(rows)


def confusion(run: Run) -> Values:
    """Returns the confusion matrix, and the most confused pairs of classes.

    With many classes, the best and worst classes replace the matrix.
    """
    if run.votes is None:
        return {"votes": None}
    found, train = run.votes, run.images.train
    classes = int(max(found.labels.max(), found.predictions.max())) + 1
    counts = confusion_matrix(
        found.labels, found.predictions, labels=np.arange(classes)
    )
    names = [class_name(train, label) for label in range(classes)]
    values = {
        "votes": found,
        "queries": (run.images.test or train).name,
        "pairs": list(pairs(counts, names)),
        "names": names,
    }
    if classes <= MOST_CLASSES:
        return values | {"counts": counts.tolist()}
    return values | {"counts": None} | extremes(counts, names)


def extremes(counts: np.ndarray, names: list[str]) -> Values:
    """Returns the classes with the highest and the lowest accuracy."""
    whole = counts.sum(1)
    asked = np.flatnonzero(whole)
    shares = counts.diagonal()[asked] / whole[asked]
    order = asked[np.argsort(-shares, kind="stable")]
    rows = [
        (names[c], percent(counts[c, c] / whole[c]), number(int(whole[c])))
        for c in order
    ]
    return {"best": rows[:EXTREMES], "worst": rows[::-1][:EXTREMES]}


def pairs(counts: np.ndarray, names: list[str]) -> Iterator[tuple]:
    """Yields the most frequent confusions of a class with another."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    for true, predicted in zip(*np.unravel_index(order, wrong.shape)):
        n = int(wrong[true, predicted])
        if n:
            share = percent(n / counts[true].sum())
            yield names[true], names[predicted], number(n), share


def samples(run: Run) -> Values | None:
    """Returns the images of which the run is most and least confident.

    With labels, confidence is the share of the kNN votes, and right and wrong
    predictions are separate. Without labels, it is a low entropy.
    """
    if run.votes is not None:
        return {"votes": run.votes, "parts": list(_by_votes(run, run.votes))}
    if run.missing or run.has_labels:
        return {"votes": None, "round": None, "parts": []}
    try:
        found = read_rounds(run.directory, run.images.train.size)[-1]
    except InputError:
        return None  # The section about the rounds shows the error.
    order = np.argsort(found.entropy, kind="stable")
    parts = [
        ("Most certain", _neighbours_of(run, found, order[:GROUPS])),
        ("Least certain", _neighbours_of(run, found, order[::-1][:GROUPS])),
    ]
    return {"votes": None, "round": found.round, "parts": parts}


def _by_votes(run: Run, found: Knn) -> Iterator[tuple[str, Groups]]:
    for name, mask in (
        ("Most confidently right", found.right),
        ("Most confidently wrong", ~found.right),
    ):
        chosen = _most_confident(found, mask)
        if len(chosen):
            yield name, groups([_group(run, found, q) for q in chosen])


def _most_confident(found: Knn, mask: np.ndarray) -> np.ndarray:
    """Returns the queries with the largest shares.

    Args:
        found: The predictions for all queries.
        mask: bool, one for each query: the queries to choose from.

    Returns:
        Indices of queries, int64 [6 or fewer], the largest share first.
    """
    among = np.flatnonzero(mask)
    order = np.argsort(-found.shares[among], kind="stable")
    return among[order[:GROUPS]]


def _group(run: Run, found: Knn, place: int) -> list[Tile]:
    train, test = run.images.train, run.images.test
    predicted = class_name(train, int(found.predictions[place]))
    said = (f"as {predicted}", f"by {percent(found.shares[place], 0)}")
    query = Tile(test or train, int(found.numbers[place]), "query", said)
    others = found.nearest[place, :SHOWN]
    return [query, *(found_beside(query, i, train) for i in others)]
