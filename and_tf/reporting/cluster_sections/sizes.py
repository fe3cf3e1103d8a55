"""How many images each cluster has."""

from __future__ import annotations

from and_tf.reporting.markup import (
    bar,
    details,
    join,
    known_columns,
    number,
    paragraph,
    percent,
    table,
)
from and_tf.reporting.reported_clustering import ReportedClustering
from and_tf.reporting.section import Section

MOST = 20  # Clusters that are shown without being asked for.


def section(found: ReportedClustering) -> Section:
    """A row a cluster, the largest first."""
    sizes = found.result["cluster_sizes"]
    whole, largest = sum(sizes), max(sizes)
    order = sorted(range(len(sizes)), key=lambda c: -sizes[c])
    rows = [
        (
            found.cluster_name(c),
            number(sizes[c]),
            percent(sizes[c] / whole),
            bar(sizes[c] / largest, True),
        )
        for c in order
    ]
    head = ("cluster", "images", "of all", "of the largest")
    lead = paragraph(
        f"{found.result['clusters_used']} of {len(sizes)} clusters are used "
        f"by the {number(whole)} images of "
        f"{found.result['protocol']['matched_on']}; of equal clusters each "
        f"would have {percent(1 / len(sizes))}."
    )
    drawn = table("Clusters, the largest first", *known_columns(head, rows))
    if len(sizes) > MOST:
        drawn = details(f"All {len(sizes)} clusters", drawn)
    return Section("sizes", "Cluster sizes", join(lead, drawn))
