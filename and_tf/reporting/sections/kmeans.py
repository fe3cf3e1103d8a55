"""k-means on the embeddings, where that was evaluated."""

from __future__ import annotations

from and_tf.reporting.advice import staleness
from and_tf.reporting.markup import join, number, percent, table
from and_tf.reporting.reported_run import ReportedRun
from and_tf.reporting.section import Section

NAME = "kmeans"
FIGURES = {
    "acc": "ACC",
    "nmi": "NMI",
    "ari": "ARI",
    "acc_top5": "ACC top-5",
    "acc_majority": "many clusters to one class",
}


def section(run: ReportedRun) -> Section | None:
    """A row a figure; nothing where nobody asked for it."""
    figures = run.evaluation(NAME)
    if figures is None:
        return None
    protocol, rows = figures["protocol"], []
    for key, named in FIGURES.items():
        if figures.get(key) is not None:
            deviation = figures.get(f"{key}_std")
            more = f" ± {100 * deviation:.1f}" if deviation is not None else ""
            rows.append((named, f"{100 * figures[key]:.1f}{more} %"))
    if figures["silhouette"] is not None:
        rows.append(("silhouette", f"{figures['silhouette']:.3f}"))
    sizes = figures["cluster_sizes"]
    rows.append(("largest cluster", percent(max(sizes) / sum(sizes))))
    caption = (
        f"{number(figures['clusters'])} clusters, fit on {protocol['fit_on']}, "
        f"asked of {number(protocol['num_queries'])} images, "
        f"{protocol['seeds']} seeds"
    )
    content = join(staleness(run, NAME), table(caption, ("", ""), rows))
    return Section(NAME, "k-means", content)
