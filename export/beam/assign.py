"""Puts images into clusters or classes in an Apache Beam pipeline.

Examples:

    The clusters of SCAN, from a SavedModel of the clustering:
        python -m export.beam.assign --model=exported/clusters \\
            --images=photos --output=tables/clusters

    On Dataflow:
        python -m export.beam.assign --model=/models/clusters \\
            --images='gs://bucket/photos/**' --output=gs://bucket/clusters \\
            --runner=DataflowRunner --project=mine --region=europe-west4 \\
            --temp_location=gs://bucket/temp \\
            --sdk_container_image=europe-docker.pkg.dev/mine/images/and-tf

The SavedModel has the signature classify: it is that of a clustering or of a
fine-tuning, or was exported with --classify. The table has the columns
file_name, cluster and name, or label and class_name, and probability. All flags
that are not shown here go to Apache Beam.
"""

from __future__ import annotations

from collections.abc import Sequence

from and_tf.utils import cli
from export.beam import pipeline_flags
from export.beam.pipeline_flags import ModelFlags


def main(config: ModelFlags, beam_flags: Sequence[str]) -> None:
    """Finds the cluster or class of each image and writes the table."""
    cli.import_tensorflow()
    from export.beam import model_pipelines

    model_pipelines.assign(config, beam_flags)


if __name__ == "__main__":
    pipeline_flags.run(main, ModelFlags)
