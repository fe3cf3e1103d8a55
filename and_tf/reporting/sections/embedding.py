"""The embedding: its map, its hubs, and likeness within classes."""

from __future__ import annotations

from typing import Any

from and_tf.protocols.embedding import PICTURE
from and_tf.reporting.advice import not_evaluated, staleness
from and_tf.reporting.markup import Html, element, join, number, percent, table
from and_tf.reporting.reported_run import ReportedRun
from and_tf.reporting.saved_pictures import saved_picture
from and_tf.reporting.section import Section

NAME = "embedding"


def section(run: ReportedRun) -> Section:
    """Figures and map of the protocol of that name."""
    title, figures = "Embedding", run.evaluation(NAME)
    if figures is None:
        return Section(NAME, title, not_evaluated(run, NAME))
    protocol = figures["protocol"]
    caption = (
        f"{protocol['map']}, of {protocol['map_images']:,} images of "
        f"{protocol['images']}, perplexity {protocol['perplexity']:g}, seed "
        f"{protocol['seed']}."
    )
    picture = saved_picture(run.picture(PICTURE), caption)
    parts = [staleness(run, NAME), _figures(figures)]
    parts.append(picture or not_evaluated(run, NAME))
    return Section(NAME, title, join(*parts))


def _figures(figures: dict[str, Any]) -> Html:
    protocol = figures["protocol"]
    k = protocol["k"]
    counted = join("N", element("sub", k))
    rows = [
        (
            join("hubness, skewness of ", counted),
            _signed(figures, "hubness_skewness", 2),
        ),
        ("nobody's neighbour", percent(figures["nobodys_neighbour"])),
        ("most often a neighbour", number(figures["most_occurrences"])),
    ]
    rows += [
        (f"mean cosine {where} classes", _signed(figures, key, 3))
        for where in ("within", "between")
        if figures[key := f"cosine_{where}_classes"] is not None
    ]
    caption = join(
        f"{protocol['num_images']:,} images of {protocol['images']}; ",
        counted,
        f" of an image counts those that have it among their {k} nearest",
    )
    return table(caption, ("", ""), rows)


def _signed(figures: dict[str, Any], key: str, digits: int) -> str:
    return f"{figures[key]:.{digits}f}".replace("-", "−")
