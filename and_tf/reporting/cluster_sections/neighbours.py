"""What clusters were learnt from: the mined neighbours."""

from __future__ import annotations

from and_tf.reporting.markup import (
    join,
    note,
    number,
    paragraph,
    percent,
    table,
)
from and_tf.reporting.reported_clustering import ReportedClustering
from and_tf.reporting.section import Section


def section(found: ReportedClustering) -> Section:
    """The share of neighbours that have their image's label."""
    result = found.result
    agreement = result["neighbours_agreement"]
    lead = paragraph(
        f"{number(result['neighbours'])} neighbours of each image were mined "
        "before the first step, from "
        f"{result['protocol']['neighbours_from']}. An image and its "
        "neighbours are taught the same cluster, so those of another class "
        "are what clusters can hardly get over."
    )
    rows = [
        (name, percent(agreement[key]))
        for name, key in (
            ("training images", "train"),
            (result["protocol"]["matched_on"], "evaluation"),
        )
        if agreement[key] is not None
    ]
    if not rows:
        shown = note("How many agree is not known, for want of labels.")
    else:
        shown = table(
            "Neighbours that have their image's label",
            ("", "agreement"),
            rows,
        )
    return Section("neighbours", "Mined neighbours", join(lead, shown))
