"""Linear classifiers on the frozen layers, where they were evaluated."""

from __future__ import annotations

from and_tf.reporting.advice import not_evaluated, staleness
from and_tf.reporting.markup import join, number, percent, table
from and_tf.reporting.reported_run import ReportedRun
from and_tf.reporting.section import Section

NAME = "linear"


def section(run: ReportedRun) -> Section | None:
    """A row a layer; nothing of a run without labels."""
    title, figures = "Linear classifiers", run.evaluation(NAME)
    if figures is None:
        if not run.has_labels:
            return None
        return Section(NAME, title, not_evaluated(run, NAME))
    rows = [
        (
            layer["layer"],
            "×".join(map(str, layer["shape"])),
            number(layer["features"]),
            percent(layer["sgd_top1"]),
            percent(layer["ridge_top1"]),
        )
        for layer in figures["layers"]
    ]
    caption = (
        f"Top-1 on {figures['protocol']['queries']} by what is frozen: softmax "
        "regression by SGD, and a ridge probe"
    )
    head = ("layer", "shape", "features", "SGD", "ridge")
    content = join(staleness(run, NAME), table(caption, head, rows))
    return Section(NAME, title, content)
