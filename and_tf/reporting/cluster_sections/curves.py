"""The clustering over its epochs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from and_tf.figures.panels import series
from and_tf.reporting.line_chart import Curve, line_chart
from and_tf.reporting.markup import Html, code, element, join, note
from and_tf.reporting.reported_clustering import ReportedClustering
from and_tf.reporting.section import Section


def section(found: ReportedClustering) -> Section:
    """ACC, loss, its parts and the use of clusters, as far as known."""
    compared = found.result["kmeans"]
    base = [("k-means", 100 * compared["acc"])] if compared else []
    charts = [
        _chart(found, "ACC, %", {"acc": ("SCAN", "blue")}, 100, base),
        _chart(
            found,
            "Loss",
            {
                "loss": ("training", "ink"),
                "validation_loss": ("evaluation", "orange"),
            },
        ),
        _chart(found, "Consistency", {"consistency_loss": ("", "green")}),
        _chart(
            found,
            "Entropy of the clusters' use",
            {"entropy": ("", "sky")},
            bases=[("even", math.log(found.result["clusters"]))],
            from_zero=True,
        ),
        _chart(
            found,
            "Largest cluster, % of the images",
            {"largest_cluster": ("", "purple")},
            100,
            from_zero=True,
        ),
    ]
    drawn = [chart for chart in charts if chart is not None]
    if not drawn:
        drawn = [note("There is no metrics.csv of this clustering.")]
    source = element(
        "p", "A row an epoch: ", code("metrics.csv"), ".", class_="quiet"
    )
    return Section("curves", "Curves", join(*drawn, source))


def _chart(
    found: ReportedClustering,
    title: str,
    keys: dict[str, tuple[str, str]],
    scale: float = 1,
    bases: Sequence[tuple[str, float]] = (),
    from_zero: bool = False,
) -> Html | None:
    """Quantities of the history by key, with their names and colours."""
    curves = []
    for key, (name, colour) in keys.items():
        epochs, values = series(found.history, key)
        if len(epochs):
            ending = f"{scale * values[-1]:.{1 if scale > 1 else 3}f}"
            curves.append(Curve(name, colour, epochs, scale * values, ending))
    if not curves:
        return None
    return line_chart(title, "epoch", curves, bases=bases, from_zero=from_zero)
