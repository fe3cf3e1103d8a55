"""Makes the pipelines that find images of the same picture.

The first measures each image. The second compares all files of that table with
each other, two at a time: their images by hashes, and those that are near each
other by their embeddings. It then does with all pairs what
`and_tf.exploring.copies.find` and `duplicates.find` do, in their order, so that
the groups are the same. There is one exception: what many images have in
common (`and_tf.exploring.crowds`) is known of two files at a time, so that some
of a crowd which is spread over many files may be taken for copies. The groups
themselves are made by one worker, with 700 bytes for each pair of copies.
"""

from __future__ import annotations

from collections.abc import Sequence

import apache_beam as beam
import pyarrow as pa

from export.beam import (
    compared_files,
    grouped_rows,
    images,
    measures_table,
    pipelines,
    shards,
)
from export.beam.neighbour_pipeline import FILES
from export.beam.pipeline_flags import DuplicatesFlags
from export.beam.row_numbers import NAME, SharedNumbers
from export.beam.shards import Shard

_MEASURES = "_measures"  # Behind --output in the names of that table.
_SCHEMA = pa.schema([
    ("group", pa.int64()),
    (NAME, pa.string()),
    ("kind", pa.string()),
    ("keep", pa.bool_()),
])  # fmt: skip


def run(config: DuplicatesFlags, beam_flags: Sequence[str]) -> None:
    """Writes the groups of images that show the same picture.

    Args:
        config: The flags.
        beam_flags: The options of Beam.

    Raises:
        InputError: If the images, the neighbours or the output cannot be used,
            or a pipeline fails.
    """
    options = pipelines.read_options(beam_flags)
    pipelines.check_output(config.output, "", images.LISTED, _MEASURES)
    near: list[Shard] = []
    if config.neighbours:
        near = shards.find(config.neighbours, "neighbours", [NAME, FILES])
    found = images.find(config.images)
    pipelines.make_directory(config.output)
    pipelines.run(options, lambda pipeline: _measure(pipeline, config, found))
    for line in found.left_out:
        print(f"left out {line}")
    table = config.output + _MEASURES
    images.tell_of_unreadable(config.images, config.output, table)
    files = shards.written(table)
    count = shards.total(files)
    pipelines.run(
        options, lambda pipeline: _compare(pipeline, config, files, near)
    )
    grouped = shards.total(shards.written(config.output))
    print(
        f"wrote {grouped:,} of {count:,} images, which are in groups, in "
        f"{config.shards} files, {config.output}-*-of-*{shards.SUFFIX}"
    )


def _measure(
    pipeline: beam.Pipeline, config: DuplicatesFlags, found: images.Found
) -> None:
    measured = images.read(pipeline, found) | "Measure" >> beam.ParDo(
        measures_table.Measure()
    ).with_outputs(images.UNREADABLE, main="read")
    _ = measured["read"] | "Write" >> shards.write(
        config.output + _MEASURES,
        measures_table.SCHEMA,
        config.shards,
        measures_table.ROW_BYTES,
    )
    _ = measured[images.UNREADABLE] | "List" >> shards.write_lines(
        config.output + images.LISTED
    )


def _compare(
    pipeline: beam.Pipeline,
    config: DuplicatesFlags,
    files: Sequence[Shard],
    near: Sequence[Shard],
) -> None:
    numbers = SharedNumbers(files, alike=True)
    found = compared_files.add(pipeline, files, near, numbers)
    more = (
        pipeline
        | "Once" >> beam.Create([None])
        | "SamePicture"
        >> beam.FlatMap(
            compared_files.same_picture, numbers, beam.pvalue.AsList(found)
        )
        | "TilesOfMore" >> beam.GroupByKey()
        | "CompareMore" >> beam.ParDo(compared_files.OfPairs(files, numbers))
    )
    both = (found, more) | "All" >> beam.Flatten()
    grouped = (
        pipeline
        | "OnceMore" >> beam.Create([None])
        | "Group"
        >> beam.ParDo(grouped_rows.Grouped(numbers), beam.pvalue.AsList(both))
    )
    rows = (
        grouped
        | "Places" >> beam.FlatMap(grouped_rows.places, numbers)
        | "PlacesOfFiles" >> beam.GroupByKey()
        | "ReadRows" >> beam.ParDo(grouped_rows.Members(files, numbers))
    )
    _ = (
        {
            "group": grouped | "Key" >> beam.Map(lambda g: (g.number, g)),
            "rows": rows,
        }
        | "Join" >> beam.CoGroupByKey()
        | "Describe" >> beam.FlatMap(grouped_rows.described)
        | "WriteGroups"
        >> shards.write(config.output, _SCHEMA, config.shards, 32)
    )
