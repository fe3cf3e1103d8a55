"""The neighbourhoods of every round: how good they are, how they look."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from and_tf.figures.neighbour_gallery import spread_anchors
from and_tf.method.discovery import Neighbourhoods, consistency
from and_tf.protocols.neighbourhoods import read_rounds
from and_tf.reporting.advice import needs_encoder, not_evaluated
from and_tf.reporting.line_chart import Curve, line_chart
from and_tf.reporting.markup import (
    Html,
    details,
    element,
    join,
    known_columns,
    note,
    number,
    paragraph,
    percent,
    table,
)
from and_tf.reporting.reported_run import ReportedRun
from and_tf.reporting.saved_pictures import saved_picture
from and_tf.reporting.section import Section
from and_tf.reporting.tiles import Tile, found_beside, groups
from and_tf.utils.errors import InputError

TILES = 40  # Of a round's gallery, about.
FEWEST = 6  # Groups of a gallery.
SHOWN = 5  # Neighbours of an anchor, at most.
SHADES = ("sky", "blue", "purple", "vermilion", "orange", "green")


def section(run: ReportedRun) -> Section | None:
    """Figures, consistency by entropy, and a gallery a round.

    Nothing of a pretext that has no rounds.
    """
    title = "Neighbourhoods"
    if not run.config.has_bank:
        return None
    if not run.directory.last_discovery():
        text = "No round has begun: there was only instance learning."
        if run.config.rounds:
            text += f" {run.config.rounds} rounds are to come."
        return Section("neighbourhoods", title, note(text))
    figures = run.evaluation("neighbourhoods")
    parts = [not_evaluated(run, "neighbourhoods")]
    if figures is not None:
        parts = [_quality(figures), _by_entropy(figures)]
    return Section("neighbourhoods", title, join(*parts, *_galleries(run)))


def _quality(figures: dict[str, Any]) -> Html:
    """A row a round."""
    rows = [
        (
            f"round {row['round']}",
            number(row["anchors"]),
            number(row["consistent"]),
            number(row["inconsistent"]),
            *(
                percent(row[key])
                for key in (
                    "consistency",
                    "consistency_all",
                    "anchors_kept",
                    "neighbours_kept",
                )
            ),
        )
        for row in figures["rounds"]
    ]
    head = (
        "", "anchors", "consistent", "inconsistent", "consistency",
        "of all images", "anchors kept", "neighbours kept",
    )  # fmt: skip
    protocol = figures["protocol"]
    caption = (
        f"Neighbourhoods of k = {protocol['k']} in the memory bank, as each "
        f"round found them; kept: of the round before"
    )
    if protocol["labels"]:
        caption += f"; consistent: {protocol['consistent']}"
    quality = table(caption, *known_columns(head, rows))
    pull = figures.get("neighbours_pull")  # None in results of before.
    if pull is None:
        return quality
    return join(
        quality,
        paragraph(
            "Of what pulls an anchor, its neighbours have "
            f"{percent(pull)}, its own row in the bank the rest: near 0 the "
            "rounds are instance learning in all but name."
        ),
    )


def _by_entropy(figures: dict[str, Any]) -> Html:
    """Whether low entropy means neighbours of one class, a curve a round."""
    curves = []
    for place, (name, shares) in enumerate(
        figures.get("consistency_by_entropy", {}).items()
    ):
        values = 100 * np.array(shares, np.float64)  # None is NaN.
        known = np.isfinite(values)
        places = 100 * (np.arange(len(values)) + 0.5) / len(values)
        if known.any():
            colour = SHADES[place % len(SHADES)]
            curves.append(
                Curve(f"round {name}", colour, places[known], values[known])
            )
    if not curves:
        return join()
    return line_chart(
        "Consistency by entropy, %",
        "images in order of entropy, the most certain first, %",
        curves,
        extent=(0.0, 100.0),
        from_zero=True,
    )


def _galleries(run: ReportedRun) -> Iterator[Html]:
    """The last round's is open."""
    last = run.directory.last_discovery()
    if run.trained is None:
        picture = run.directory.gallery(last)
        text = f"Round {last}: anchors, each beside its neighbours."
        yield saved_picture(picture, text) or needs_encoder(run)
        return
    try:
        rounds = read_rounds(run.directory, run.num_examples)
    except InputError as error:
        yield note(str(error))
        return
    for found in rounds:
        yield details(
            f"Round {found.round}: {number(int(found.selected.sum()))} anchors",
            _gallery(run, found),
            open_=found.round == last,
        )


def _gallery(run: ReportedRun, found: Neighbourhoods) -> Html:
    """Anchors evenly by entropy; parted by their consistency where known."""
    train = run.trained.images.train
    shown = min(found.neighbours.shape[1], SHOWN)
    count = max(FEWEST, TILES // (1 + shown))
    plural = "neighbours" if shown > 1 else "neighbour"
    lead = paragraph(
        f"Each anchor with its entropy H, right of it its nearest {plural}; "
        "evenly over the anchors' entropies, the most certain first."
    )
    if not run.has_labels:
        return join(lead, _groups(run, found, found.selected, count, shown))
    shares = consistency(found.neighbours, train.labels)  # NaN: no labels.
    parts = [lead]
    for name, mask in (
        ("consistent: all neighbours are of the anchor's class", shares == 1),
        ("inconsistent: some neighbour is of another class", shares < 1),
    ):
        chosen = found.selected & mask
        text = f"{number(int(chosen.sum()))} {name}"
        parts.append(element("h3", text))
        if chosen.any():
            half = max(1, count // 2)
            parts.append(_groups(run, found, chosen, half, shown))
    return join(*parts)


def _groups(
    run: ReportedRun,
    found: Neighbourhoods,
    among: np.ndarray,
    count: int,
    shown: int,
) -> Html:
    train = run.trained.images.train
    rows = []
    chosen = dataclasses.replace(found, selected=among)
    for anchor in spread_anchors(chosen, count).tolist():
        said = (f"H {found.entropy[anchor]:.2f}",)
        first = Tile(train, anchor, "query", said)
        others = found.neighbours[anchor, :shown]
        rows.append([first, *(found_beside(first, i, train) for i in others)])
    return groups(rows)
