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

import dataclasses
from collections.abc import Sequence

from and_tf.utils import cli
from and_tf.utils.flag_config import Group, option
from export.beam import pipeline_flags
from export.beam.pipeline_flags import ImagesFlags, expanded


@dataclasses.dataclass(frozen=True)
class BeamDuplicatesConfig(ImagesFlags):
    """Flags that name the images, their neighbours and the output."""

    neighbours: str = option(
        Group.DATA,
        "",
        "Neighbours of the images: the --output of export.beam.neighbours, "
        "with 8 neighbours each or more. If empty, crops are not found.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "neighbours", expanded(self.neighbours))


def main(config: BeamDuplicatesConfig, beam_flags: Sequence[str]) -> None:
    """Measures the images, compares them and writes the tables."""
    cli.import_tensorflow()
    from export.beam import duplicate_pipelines

    duplicate_pipelines.run(config, beam_flags)


if __name__ == "__main__":
    pipeline_flags.run(main, BeamDuplicatesConfig)
