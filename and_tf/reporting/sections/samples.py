"""The best and the worst: what the run is most sure of, rightly or not."""

from __future__ import annotations

import numpy as np

from and_tf.evaluation.knn import Knn
from and_tf.protocols.neighbourhoods import read_rounds
from and_tf.reporting.advice import needs_encoder
from and_tf.reporting.markup import Html, element, join, paragraph
from and_tf.reporting.reported_run import ReportedRun
from and_tf.reporting.section import Section
from and_tf.reporting.tiles import Tile, class_name, found_beside, groups
from and_tf.utils.errors import InputError

GROUPS = 6  # Of each kind.
SHOWN = 5  # Neighbours of each.


def section(run: ReportedRun) -> Section | None:
    """By the votes' shares where there are labels, else by entropy."""
    title = "Best and worst"
    if run.votes is not None:
        return Section("samples", title, _by_votes(run, run.votes))
    if run.trained is not None and not run.has_labels:
        content = _by_entropy(run)
        return Section("samples", title, content) if content else None
    return Section("samples", title, needs_encoder(run))


def _by_votes(run: ReportedRun, found: Knn) -> Html:
    parts = [
        paragraph(
            f"Queries, each with its class, the class that it was taken for "
            f"and the share of the {found.neighbours} neighbours' votes for "
            "that; right of it the five nearest training images, ✓ of the "
            "query's class or ✗ of another."
        )
    ]
    for name, mask in (
        ("Most confidently right", found.right),
        ("Most confidently wrong", ~found.right),
    ):
        chosen = most_confident(found, mask)
        if len(chosen):
            parts.append(element("h3", name))
            parts.append(groups([_group(run, found, q) for q in chosen]))
    return join(*parts)


def most_confident(found: Knn, mask: np.ndarray) -> np.ndarray:
    """Places of the queries with the largest shares, int64 [6 or fewer]."""
    among = np.flatnonzero(mask)
    order = np.argsort(-found.shares[among], kind="stable")
    return among[order[:GROUPS]]


def _group(run: ReportedRun, found: Knn, place: int) -> list[Tile]:
    train, test = run.trained.images.train, run.trained.images.test
    predicted = class_name(train, int(found.predictions[place]))
    share = f"{100 * found.shares[place]:.0f} %"
    said = (f"as {predicted}", f"by {share}")
    query = Tile(test or train, int(found.numbers[place]), "query", said)
    others = found.nearest[place, :SHOWN]
    return [query, *(found_beside(query, number, train) for number in others)]


def _by_entropy(run: ReportedRun) -> Html | None:
    """The most and the least certain neighbourhoods of the last round."""
    train = run.trained.images.train
    try:
        found = read_rounds(run.directory, train.size)[-1]
    except InputError:
        return None  # What is missing is said where the rounds are.
    order = np.argsort(found.entropy, kind="stable")
    parts = [
        paragraph(
            f"Images, each with the entropy H of its neighbourhood in round "
            f"{found.round}, and the neighbours found for it."
        )
    ]
    for name, chosen in (
        ("Most certain", order[:GROUPS]),
        ("Least certain", order[::-1][:GROUPS]),
    ):
        rows = []
        for number in chosen.tolist():
            said = (f"H {found.entropy[number]:.2f}",)
            query = Tile(train, number, "query", said)
            others = found.neighbours[number, :SHOWN]
            rows.append([query, *(Tile(train, int(i)) for i in others)])
        parts += [element("h3", name), groups(rows)]
    return join(*parts)
