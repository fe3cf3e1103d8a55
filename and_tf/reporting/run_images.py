"""The sections of a run's page that show images beside their neighbours."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from and_tf.discovery import Neighbourhoods, consistency
from and_tf.errors import InputError
from and_tf.evaluation.knn import Knn
from and_tf.evaluation.protocols.neighbourhoods import read_rounds
from and_tf.figures.neighbour_gallery import spread_anchors
from and_tf.reporting.charts import Chart, Curve
from and_tf.reporting.page import number, percent
from and_tf.reporting.pictures import (
    Tile,
    class_name,
    found_beside,
    groups,
    saved_picture,
)
from and_tf.reporting.reported_run import ReportedRun

TILES = 40  # Of a round's gallery, about.
FEWEST = 6  # Groups of a gallery.
GROUPS = 6  # Of the best, and of the worst.
SHOWN = 5  # Neighbours of an image, at most.
SHADES = ("sky", "blue", "purple", "vermilion", "orange", "green")
COUNTS = ("anchors", "consistent", "inconsistent")
SHARES = ("consistency", "consistency_all", "anchors_kept", "neighbours_kept")

Groups = list[list[Tile]]


def neighbourhoods(run: ReportedRun) -> dict[str, Any] | None:
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
    if run.trained is None:
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


def _gallery(run: ReportedRun, found: Neighbourhoods) -> dict[str, Any]:
    """Anchors evenly by entropy; parted by their consistency where known."""
    shown = min(found.neighbours.shape[1], SHOWN)
    count = max(FEWEST, TILES // (1 + shown))
    if run.has_labels:
        labels = run.trained.images.train.labels
        shares = consistency(found.neighbours, labels)  # NaN: no labels.
        parts = [
            _part(run, found, found.selected & mask, max(1, count // 2), name)
            for name, mask in (
                ("consistent", shares == 1),
                ("inconsistent", shares < 1),
            )
        ]
    else:
        parts = [_part(run, found, found.selected, count)]
    return {
        "round": found.round,
        "anchors": int(found.selected.sum()),
        "neighbours": shown,
        "parts": parts,
    }


def _part(
    run: ReportedRun,
    found: Neighbourhoods,
    among: np.ndarray,
    count: int,
    name: str = "",
) -> dict[str, Any]:
    """Some anchors of a gallery, and how many there are."""
    rows, whole = [], int(among.sum())
    if whole:
        chosen = dataclasses.replace(found, selected=among)
        rows = _neighbours_of(run, found, spread_anchors(chosen, count))
    return {"name": name, "anchors": whole, "groups": rows}


def _neighbours_of(
    run: ReportedRun, found: Neighbourhoods, numbers: Iterable[int]
) -> Groups:
    """Images with their entropy, each beside its neighbours."""
    train, rows = run.trained.images.train, []
    for image in map(int, numbers):
        entropy = (f"H {found.entropy[image]:.2f}",)
        first = Tile(train, image, "query", entropy)
        others = found.neighbours[image, :SHOWN]
        rows.append([first, *(found_beside(first, i, train) for i in others)])
    return groups(rows)


def samples(run: ReportedRun) -> dict[str, Any] | None:
    """Returns the best and the worst: what a run is most sure of, or least.

    By the votes' shares where there are labels, otherwise by entropy.
    """
    if run.votes is not None:
        return {"votes": run.votes, "parts": list(_by_votes(run, run.votes))}
    if run.trained is None or run.has_labels:
        return {"votes": None, "round": None, "parts": []}
    try:
        found = read_rounds(run.directory, run.trained.images.train.size)[-1]
    except InputError:
        return None  # What is missing is said where the rounds are.
    order = np.argsort(found.entropy, kind="stable")
    parts = [
        ("Most certain", _neighbours_of(run, found, order[:GROUPS])),
        ("Least certain", _neighbours_of(run, found, order[::-1][:GROUPS])),
    ]
    return {"votes": None, "round": found.round, "parts": parts}


def _by_votes(run: ReportedRun, found: Knn) -> Iterator[tuple[str, Groups]]:
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


def _group(run: ReportedRun, found: Knn, place: int) -> list[Tile]:
    train, test = run.trained.images.train, run.trained.images.test
    predicted = class_name(train, int(found.predictions[place]))
    said = (f"as {predicted}", f"by {100 * found.shares[place]:.0f} %")
    query = Tile(test or train, int(found.numbers[place]), "query", said)
    others = found.nearest[place, :SHOWN]
    return [query, *(found_beside(query, i, train) for i in others)]
