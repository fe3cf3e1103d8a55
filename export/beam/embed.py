"""Embeds images in an Apache Beam pipeline, on this machine or on many.

Examples:

    A folder of photos, on this machine:
        python -m export.beam.embed --model=exported/cifar100 \\
            --images=photos --output=tables/photos

    By eight processes:
        python -m export.beam.embed --model=exported/cifar100 \\
            --images=photos --output=tables/photos \\
            --direct_running_mode=multi_processing --direct_num_workers=8

    On a Flink cluster:
        python -m export.beam.embed --model=/models/cifar100 \\
            --images='gs://bucket/photos/**' --output=gs://bucket/photos \\
            --runner=FlinkRunner --flink_master=host:8081

It writes <output>-00000-of-00008.parquet and so on, with the columns file_name
and embedding, and lists images that cannot be read in
<output>_unreadable-00000-of-00001.jsonl. All flags that are not shown here go
to Apache Beam; without --runner, the pipeline runs on this machine.
"""

from __future__ import annotations

from collections.abc import Sequence

from and_tf.utils import cli
from export.beam import pipeline_flags
from export.beam.pipeline_flags import ModelFlags


def main(config: ModelFlags, beam_flags: Sequence[str]) -> None:
    """Embeds the images and writes the table."""
    cli.import_tensorflow()
    from export.beam import model_pipelines

    model_pipelines.embed(config, beam_flags)


if __name__ == "__main__":
    pipeline_flags.run(main, ModelFlags)
