"""Which classes are in which clusters."""

from __future__ import annotations

import numpy as np

from and_tf.reporting.class_matrix import MOST_CLASSES, matrix
from and_tf.reporting.markup import join, note, number, paragraph, percent
from and_tf.reporting.reported_clustering import ReportedClustering
from and_tf.reporting.saved_pictures import saved_picture
from and_tf.reporting.section import Section

NAME, TITLE = "confusion", "Confusion"


def section(found: ReportedClustering) -> Section:
    """The matrix where it can be read, else its picture."""
    if not found.has_labels:
        text = "This needs labels, which the images do not have."
        return Section(NAME, TITLE, note(text))
    protocol = found.result["protocol"]
    lead = paragraph(
        f"{number(protocol['num_queries'])} images of "
        f"{protocol['matched_on']}, by their class and by the class that "
        f"their cluster is matched to: {percent(found.result['acc'])} are "
        "right."
    )
    counts = np.array(found.result["confusion"])
    if len(counts) > MOST_CLASSES:
        drawn = saved_picture(
            found.directory.confusion, "Classes by matched clusters"
        )
        if drawn is None:
            drawn = note("There is no confusion.png that can be read.")
        return Section(NAME, TITLE, join(lead, drawn))
    names = found.class_names
    columns = [*names, "no class"]
    if not counts[:, -1].any():
        counts, columns = counts[:, :-1], names
    caption = "Rows: true class; columns: class of the cluster, % of the row"
    return Section(
        NAME, TITLE, join(lead, matrix(caption, counts, names, columns))
    )
