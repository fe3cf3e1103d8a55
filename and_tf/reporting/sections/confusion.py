"""Which classes weighted kNN takes for which."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import confusion_matrix

from and_tf.data.split import Split
from and_tf.evaluation.knn import Knn
from and_tf.reporting.advice import needs_encoder
from and_tf.reporting.class_matrix import MOST_CLASSES, matrix
from and_tf.reporting.markup import (
    Html,
    element,
    join,
    number,
    paragraph,
    percent,
    table,
)
from and_tf.reporting.reported_run import ReportedRun
from and_tf.reporting.section import Section
from and_tf.reporting.tiles import class_name

PAIRS = 12
EXTREMES = 5  # Classes at either end of a list.


def section(run: ReportedRun) -> Section:
    """The matrix where it can be read, and the most confused pairs."""
    title = "Confusion"
    if run.votes is None:
        return Section("confusion", title, needs_encoder(run))
    found, train = run.votes, run.trained.images.train
    counts = count(found)
    queries = (run.trained.images.test or train).name
    lead = paragraph(
        f"Weighted kNN on {number(len(found.labels))} queries of {queries} "
        f"after {run.moment}, K = {found.neighbours}, "
        f"τ = {found.temperature:g}, gallery the training images' clean "
        f"embeddings: {percent(found.top1)} are right."
    )
    parts = [lead]
    if len(counts) <= MOST_CLASSES:
        names = [class_name(train, c) for c in range(len(counts))]
        caption = "Rows: true class; columns: predicted class, % of the row"
        parts.append(matrix(caption, counts, names, names))
    else:
        parts.append(_extremes(counts, train))
    return Section("confusion", title, join(*parts, _pairs(counts, train)))


def count(found: Knn) -> np.ndarray:
    """Queries by true and predicted class, int64 [C, C]."""
    classes = int(max(found.labels.max(), found.predictions.max())) + 1
    return confusion_matrix(
        found.labels, found.predictions, labels=np.arange(classes)
    )


def _extremes(counts: np.ndarray, train: Split) -> Html:
    """The classes that are found best and worst."""
    whole = counts.sum(1)
    asked = np.flatnonzero(whole)
    shares = counts.diagonal()[asked] / whole[asked]
    order = asked[np.argsort(-shares, kind="stable")]

    def rows(classes: np.ndarray) -> list[tuple]:
        return [
            (
                class_name(train, c),
                percent(counts[c, c] / whole[c]),
                number(int(whole[c])),
            )
            for c in classes
        ]

    head = ("class", "right", "queries")
    return join(
        table("Classes found best", head, rows(order[:EXTREMES])),
        table("Classes found worst", head, rows(order[::-1][:EXTREMES])),
    )


def _pairs(counts: np.ndarray, train: Split) -> Html:
    """The most frequent confusions, one way each."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    rows = []
    for true, predicted in zip(*np.unravel_index(order, wrong.shape)):
        n = int(wrong[true, predicted])
        if n:
            share = n / counts[true].sum()
            taken_for = class_name(train, predicted)
            rows.append(
                (
                    class_name(train, true),
                    element("td", taken_for, class_="text"),
                    number(n),
                    percent(share),
                )
            )
    if not rows:
        return paragraph("Nothing was taken for anything else.")
    taken_for = element("th", "taken for", scope="col", class_="text")
    head = ("true class", taken_for, "queries", "of the class")
    return table("Most confused pairs", head, rows)
