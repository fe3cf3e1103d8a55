"""The sections of a run's page that need its images and its encoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix

from and_tf.evaluation.knn import Knn
from and_tf.figures.neighbour_gallery import spread_anchors
from and_tf.method.discovery import Neighbourhoods, consistency
from and_tf.protocols.neighbourhoods import read_rounds
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

TILES = 40  # About as many images are in the gallery of a round.
FEWEST = 6  # A gallery has at least as many anchors.
GROUPS = 6  # Images shown as the best, and as many as the worst.
SHOWN = 5  # Neighbours shown beside an image, at most.
MOST_CLASSES = 20  # A matrix of more can no longer be read.
PAIRS = 12  # Pairs of classes shown as confused most.
EXTREMES = 5  # Classes shown as the best, and as many as the worst.
SHADES = ("sky", "blue", "purple", "vermilion", "orange", "green")
COUNTS = ("anchors", "consistent", "inconsistent")
SHARES = ("consistency", "consistency_all", "anchors_kept", "neighbours_kept")

Groups = list[list[Tile]]
Values = dict[str, Any]


def neighbourhoods(run: Run) -> Values | None:
    """Returns figures, consistency by entropy, and a gallery a round.

    Nothing of a pretext that has no rounds.
    """
    if not run.config.has_bank:
        return None
    last = run.directory.last_discovery()
    if not last:
        return {"last": 0}
    figures = run.evaluation("neighbourhoods")
    values = {"last": last, "figures": figures, "galleries": [], "error": ""}
    if figures is not None:
        values["rows"] = [
            (
                f"round {row['round']}",
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
    """Whether low entropy means neighbours of one class, a curve a round."""
    curves, rounds = [], figures.get("consistency_by_entropy", {})
    for place, (name, shares) in enumerate(rounds.items()):
        values = 100 * np.array(shares, np.float64)  # None is NaN.
        known = np.isfinite(values)
        places = 100 * (np.arange(len(values)) + 0.5) / len(values)
        if known.any():
            colour = SHADES[place % len(SHADES)]
            curves.append(
                Curve(f"round {name}", colour, places[known], values[known])
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
    """Anchors evenly by entropy; parted by their consistency where known."""
    shown = min(found.neighbours.shape[1], SHOWN)
    count = max(FEWEST, TILES // (1 + shown))
    if run.has_labels:
        labels = run.images.train.labels
        shares = consistency(found.neighbours, labels)  # NaN: no labels.
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
    """Some anchors of a gallery, and how many there are."""
    rows, whole = [], int(among.sum())
    if whole:
        chosen = dataclasses.replace(found, is_anchor=among)
        rows = _neighbours_of(run, found, spread_anchors(chosen, count))
    return {"name": name, "anchors": whole, "groups": rows}


def _neighbours_of(
    run: Run, found: Neighbourhoods, numbers: Iterable[int]
) -> Groups:
    """Images with their entropy, each beside its neighbours."""
    train, rows = run.images.train, []
    for image in map(int, numbers):
        entropy = (f"H {found.entropy[image]:.2f}",)
        first = Tile(train, image, "query", entropy)
        others = found.neighbours[image, :SHOWN]
        rows.append([first, *(found_beside(first, i, train) for i in others)])
    return groups(rows)


def confusion(run: Run) -> Values:
    """Returns the matrix or its ends, and the pairs that are confused most."""
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
        "pairs": list(_pairs(counts, names)),
        "names": names,
    }
    if classes <= MOST_CLASSES:
        return values | {"counts": counts.tolist()}
    return values | {"counts": None} | _extremes(counts, names)


def _extremes(counts: np.ndarray, names: list[str]) -> Values:
    """The classes that are found best and worst."""
    whole = counts.sum(1)
    asked = np.flatnonzero(whole)
    shares = counts.diagonal()[asked] / whole[asked]
    order = asked[np.argsort(-shares, kind="stable")]
    rows = [
        (names[c], percent(counts[c, c] / whole[c]), number(int(whole[c])))
        for c in order
    ]
    return {"best": rows[:EXTREMES], "worst": rows[::-1][:EXTREMES]}


def _pairs(counts: np.ndarray, names: list[str]) -> Iterator[tuple]:
    """The most frequent confusions, one way each."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    for true, predicted in zip(*np.unravel_index(order, wrong.shape)):
        n = int(wrong[true, predicted])
        if n:
            share = percent(n / counts[true].sum())
            yield names[true], names[predicted], number(n), share


def samples(run: Run) -> Values | None:
    """Returns the best and the worst: what a run is most sure of, or least.

    By the votes' shares where there are labels, otherwise by entropy.
    """
    if run.votes is not None:
        return {"votes": run.votes, "parts": list(_by_votes(run, run.votes))}
    if run.missing or run.has_labels:
        return {"votes": None, "round": None, "parts": []}
    try:
        found = read_rounds(run.directory, run.images.train.size)[-1]
    except InputError:
        return None  # What is missing is said where the rounds are.
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
    """Places of the queries with the largest shares, int64 [6 or fewer]."""
    among = np.flatnonzero(mask)
    order = np.argsort(-found.shares[among], kind="stable")
    return among[order[:GROUPS]]


def _group(run: Run, found: Knn, place: int) -> list[Tile]:
    train, test = run.images.train, run.images.test
    predicted = class_name(train, int(found.predictions[place]))
    said = (f"as {predicted}", f"by {100 * found.shares[place]:.0f} %")
    query = Tile(test or train, int(found.numbers[place]), "query", said)
    others = found.nearest[place, :SHOWN]
    return [query, *(found_beside(query, i, train) for i in others)]
