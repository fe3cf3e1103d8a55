"""Finds images that show the same picture in an Apache Beam pipeline.

Examples:

    Copies, also turned, resized, recompressed and edited ones:
        python -m export.beam.duplicates --images=photos \\
            --output=tables/duplicates

    Crops too, which are looked for among the nearest neighbours:
        python -m export.beam.duplicates --images=photos \\
            --neighbours=tables/neighbours --output=tables/duplicates

It finds the groups that and_tf.explore finds. The table has a row for each
image of a group: group, file_name, kind, which says what the image is to the
one to keep, and keep. What was measured of each image is kept in
<output>_measures-00000-of-00008.parquet and so on. All flags that are not shown
here go to Apache Beam.
"""

from __future__ import annotations

from collections.abc import Sequence

from and_tf.utils import cli
from export.beam import pipeline_flags
from export.beam.pipeline_flags import DuplicatesFlags


def main(config: DuplicatesFlags, beam_flags: Sequence[str]) -> None:
    """Measures the images, compares them and writes the tables."""
    cli.import_tensorflow()
    from export.beam import duplicate_pipelines

    duplicate_pipelines.run(config, beam_flags)


if __name__ == "__main__":
    pipeline_flags.run(main, DuplicatesFlags)
