"""The page of a clustering."""

from __future__ import annotations

import pathlib

from and_tf.reporting.cluster_sections import SECTIONS
from and_tf.reporting.cluster_sections.outcome import notices
from and_tf.reporting.reported_clustering import ReportedClustering
from and_tf.reporting.run_page import write_page
from and_tf.training import result_file


def write(found: ReportedClustering, output: pathlib.Path) -> None:
    """Writes the page of a clustering, see `run_page.write_page`."""
    with result_file.using(found.directory.result):
        write_page(found, notices(found), SECTIONS, output)
