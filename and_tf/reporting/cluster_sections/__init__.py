"""The parts of a clustering's page: each takes a `ReportedClustering`."""

from __future__ import annotations

from and_tf.reporting.cluster_sections import (
    confusion,
    curves,
    neighbours,
    outcome,
    prototypes,
    reproduction,
    samples,
    sizes,
)
from and_tf.reporting.section import Provider

# In the order that a reader wants them.
SECTIONS: tuple[Provider, ...] = (
    outcome.section,
    curves.section,
    sizes.section,
    confusion.section,
    prototypes.section,
    samples.section,
    neighbours.section,
    reproduction.section,
)
