"""kNN against both galleries, where that was evaluated."""

from __future__ import annotations

from and_tf.reporting.advice import staleness
from and_tf.reporting.markup import join, number, percent, table
from and_tf.reporting.reported_run import ReportedRun
from and_tf.reporting.section import Section

NAME = "knn"
GALLERIES = {"clean": "clean embeddings", "bank": "memory bank"}


def section(run: ReportedRun) -> Section | None:
    """A row a gallery; nothing where nobody asked for it."""
    figures = run.evaluation(NAME)
    if figures is None:
        return None
    protocol = figures["protocol"]
    rows = [
        (
            named,
            *(
                percent(figures[f"{gallery}_{key}"])
                for key in ("top1", "top5", "nearest")
            ),
        )
        for gallery, named in GALLERIES.items()
        if f"{gallery}_top1" in figures
    ]
    caption = (
        f"{number(protocol['num_queries'])} queries of {protocol['queries']}, "
        f"K = {protocol['K']}, τ = {protocol['temperature']:g}; 1-NN is the "
        "nearest alone"
    )
    head = ("gallery", "top-1", "top-5", "1-NN")
    content = join(staleness(run, NAME), table(caption, head, rows))
    return Section(NAME, "Weighted kNN", content)
