"""The parts of a run's page: each takes a `ReportedRun`, gives a `Section`."""

from __future__ import annotations

from and_tf.reporting.section import Provider
from and_tf.reporting.sections import (
    attention,
    confusion,
    curves,
    embedding,
    kmeans,
    knn,
    linear,
    neighbourhoods,
    outcome,
    reproduction,
    samples,
)

# In the order that a reader wants them.
SECTIONS: tuple[Provider, ...] = (
    outcome.section,
    curves.section,
    neighbourhoods.section,
    confusion.section,
    samples.section,
    attention.section,
    embedding.section,
    linear.section,
    knn.section,
    kmeans.section,
    reproduction.section,
)
