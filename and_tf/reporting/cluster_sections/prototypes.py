"""What clusters look like: the surest images of each."""

from __future__ import annotations

from and_tf.reporting.markup import join, paragraph
from and_tf.reporting.reported_clustering import ReportedClustering
from and_tf.reporting.saved_pictures import saved_picture
from and_tf.reporting.section import Section


def section(found: ReportedClustering) -> Section | None:
    """The picture that the clustering left; nothing where it is gone."""
    picture = saved_picture(
        found.directory.prototypes,
        "A row a cluster: its most confident images, the prototype first.",
    )
    if picture is None:
        return None
    lead = paragraph(
        f"Images of {found.result['protocol']['matched_on']} that the chosen "
        "head is most sure of."
    )
    return Section("prototypes", "Prototypes", join(lead, picture))
