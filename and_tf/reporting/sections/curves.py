"""The run over its epochs.

Drawn for the page, and not taken from curves.png: as SVG the curves are crisp
at any size, follow the page's light and dark, and take a tenth of the bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from and_tf.figures.panels import series, spans_of
from and_tf.reporting.line_chart import Band, Curve, line_chart
from and_tf.reporting.markup import Html, code, element, join, note
from and_tf.reporting.reported_run import ReportedRun
from and_tf.reporting.section import Section

KNN = {  # By key of the history: name, colour.
    "knn_clean": ("clean gallery", "blue"),
    "knn_bank": ("memory bank", "orange"),
}
CONSISTENCY = {
    "consistency": ("of anchors", "green"),
    "consistency_all": ("of all images", "sky"),
}


def section(run: ReportedRun) -> Section:
    """kNN, loss, consistency and learning rate, as far as they are known."""
    bands = _bands(run)
    charts = [
        _shares(run, bands, "kNN top-1, %", KNN, list(run.baselines.items())),
        _plain(run, bands, "Loss", "loss", "ink"),
        _shares(
            run,
            bands,
            "Consistency of neighbourhoods, %",
            CONSISTENCY,
            steps=True,
        ),
        _plain(
            run, bands, "Learning rate", "learning_rate", "purple", steps=True
        ),
    ]
    drawn = [chart for chart in charts if chart is not None]
    if not drawn:
        drawn = [note("No epoch of this run has been finished yet.")]
    source = element(
        "p", "A row an epoch: ", code("metrics.csv"), ".", class_="quiet"
    )
    return Section("curves", "Curves", join(*drawn, source))


def _bands(run: ReportedRun) -> list[Band]:
    """The rounds, in epochs; none of a pretext that has none."""
    if not run.config.has_bank:
        return []
    return [
        Band(
            (
                f"round {span.round}" if span.round else "instance",
                f"{span.round}",
            ),
            span.begin,
            span.end,
        )
        for span in spans_of(run.history)
    ]


def _shares(
    run: ReportedRun,
    bands: list[Band],
    title: str,
    keys: dict[str, tuple[str, str]],
    bases: Sequence[tuple[str, float]] = (),
    steps: bool = False,
) -> Html | None:
    """Fractions in percent."""
    curves = []
    for key, (name, colour) in keys.items():
        epochs, values = series(run.history, key)
        if len(epochs):
            ending = f"{100 * values[-1]:.1f}"
            curves.append(
                Curve(name, colour, epochs, 100 * values, ending, steps)
            )
    if not curves:
        return None
    lines = [(name, 100 * share) for name, share in bases]
    return line_chart(title, "epoch", curves, bases=lines, bands=bands)


def _plain(
    run: ReportedRun,
    bands: list[Band],
    title: str,
    key: str,
    colour: str,
    steps: bool = False,
) -> Html | None:
    """A quantity as it is."""
    epochs, values = series(run.history, key)
    if not len(epochs):
        return None
    ending = np.format_float_positional(
        values[-1], precision=4, fractional=False, trim="-"
    )
    curve = Curve("", colour, epochs, values, ending, steps)
    return line_chart(title, "epoch", [curve], bands=bands)
