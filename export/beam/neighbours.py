"""Finds the nearest neighbours of all images in an Apache Beam pipeline.

Examples:

    Of a table that export.beam.embed wrote:
        python -m export.beam.neighbours --index=tables/photos \\
            --output=tables/neighbours

    With 50 neighbours each, on a Spark cluster:
        python -m export.beam.neighbours --index=gs://bucket/photos \\
            --output=gs://bucket/neighbours --neighbours=50 \\
            --runner=SparkRunner --spark_master_url=spark://host:7077

The search is exact: each image is compared with all others, block by block. The
table has the columns file_name, neighbour_files, the nearest first, and
similarities. It does not depend on the files that the rows of the index are in;
equally similar images come by their names. All flags that are not shown here
go to Apache Beam.
"""

from __future__ import annotations

from collections.abc import Sequence

from export.beam import pipeline_flags
from export.beam.pipeline_flags import NeighboursFlags


def main(config: NeighboursFlags, beam_flags: Sequence[str]) -> None:
    """Finds the neighbours and writes the table."""
    from export.beam import neighbour_pipeline

    neighbour_pipeline.run(config, beam_flags)


if __name__ == "__main__":
    pipeline_flags.run(main, NeighboursFlags)
