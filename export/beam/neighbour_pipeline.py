"""Makes the pipeline that finds the nearest neighbours of all rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa

from and_tf.utils.errors import InputError
from export.beam import nearest_rows, pipelines, shards
from export.beam.nearest_rows import Best, Rows
from export.beam.pipeline_flags import NeighboursFlags
from export.beam.row_numbers import NAME, SharedNumbers
from export.beam.shards import Shard

EMBEDDING, FILES, SIMILARITIES = "embedding", "neighbour_files", "similarities"
_SCHEMA = pa.schema([
    (NAME, pa.string()),
    (FILES, pa.list_(pa.string())),
    (SIMILARITIES, pa.list_(pa.float32())),
])  # fmt: skip
_BLOCK = shards.ROWS  # Rows and queries in a block of 64 MB of products.
_ENTRY_BYTES = 40  # Of a neighbour's name and similarity, about.


class Queries(NamedTuple):
    """A block of rows to search for.

    Attributes:
        shard: The place of its file in the list of files.
        group: The row group.
        start: Its first row in the group.
    """

    shard: int
    group: int
    start: int


def run(config: NeighboursFlags, beam_flags: Sequence[str]) -> None:
    """Writes the neighbours of all rows of a table.

    Args:
        config: The flags.
        beam_flags: The options of Beam.

    Raises:
        InputError: If the table or the output cannot be used, or the pipeline
            fails.
    """
    options = pipelines.read_options(beam_flags)
    pipelines.check_output(config.output, "")
    files = shards.find(config.index, "index", [NAME, EMBEDDING])
    count = shards.total(files)
    if config.neighbours >= count:
        raise InputError(
            f"Expected --neighbours below {count:,}, the images in "
            f"{config.index}. Received: {config.neighbours:,}."
        )
    pipelines.make_directory(config.output)
    pipelines.run(options, lambda pipeline: _build(pipeline, config, files))
    count = shards.total(shards.written(config.output))
    print(
        f"wrote {config.neighbours} neighbours of {count:,} images in "
        f"{config.shards} files, {config.output}-*-of-*{shards.SUFFIX}"
    )


def _build(
    pipeline: beam.Pipeline, config: NeighboursFlags, files: Sequence[Shard]
) -> None:
    numbers = SharedNumbers(files)
    # A step compares a block with a whole file, which it reads in blocks too.
    steps = [
        (queries, place)
        for queries in _blocks(files)
        for place in range(len(files))
    ]
    _ = (
        pipeline
        | "Steps" >> beam.Create(steps)
        | "Spread" >> beam.Reshuffle()
        | "Compare" >> beam.ParDo(_Compare(files, numbers, config.neighbours))
        | "Merge" >> beam.CombinePerKey(_merged)
        | "Name" >> beam.ParDo(_Named(files, numbers))
        | "Write"
        >> shards.write(
            config.output,
            _SCHEMA,
            config.shards,
            _ENTRY_BYTES * config.neighbours,
        )
    )


def _blocks(files: Sequence[Shard]) -> Iterator[Queries]:
    for place, shard in enumerate(files):
        for group, count in enumerate(shard.groups):
            for start in range(0, count, _BLOCK):
                yield Queries(place, group, start)


def _merged(parts: Iterable[Best]) -> Best:
    """Merges the results of a block with several files."""
    found: Best | None = None
    for part in parts:
        part = Best(*part)
        found = part if found is None else nearest_rows.merged(found, part)
    # Beam asks for the result of nothing, to know its type.
    return nearest_rows.nothing(0, 0) if found is None else found


class _Compare(beam.DoFn):
    """Compares a block of queries with the rows of a file.

    Args:
        files: The files of the table.
        numbers: The numbers of its rows.
        k: The number of neighbours.
    """

    def __init__(
        self, files: Sequence[Shard], numbers: SharedNumbers, k: int
    ) -> None:
        self._files = files
        self._numbers = numbers
        self._k = k

    def process(
        self, element: tuple[Queries, int]
    ) -> Iterator[tuple[Queries, Best]]:
        """Yields the block and its best rows in the file."""
        block, place = Queries(*element[0]), element[1]
        queries = self._rows(_read(self._files, block, [NAME, EMBEDDING]))
        best = nearest_rows.nothing(len(queries.number), self._k)
        for table in shards.read_groups(self._files[place], [NAME, EMBEDDING]):
            for start in range(0, len(table), _BLOCK):
                rows = self._rows(table.slice(start, _BLOCK))
                best = nearest_rows.improved(best, queries, rows)
        yield block, best

    def _rows(self, table: pa.Table) -> Rows:
        column = table[EMBEDDING].combine_chunks()
        embedding = np.asarray(column.flatten(), np.float32)
        if not np.isfinite(embedding).all():
            raise InputError(
                "Expected embeddings of finite numbers. Received others. "
                "Embed the images again."
            )
        return Rows(
            self._numbers.get().of(table[NAME].to_pylist()),
            embedding.reshape(len(table), -1),
        )


class _Named(beam.DoFn):
    """Gives the names of a block's rows and of their neighbours.

    Args:
        files: The files of the table.
        numbers: The numbers of its rows.
    """

    def __init__(self, files: Sequence[Shard], numbers: SharedNumbers) -> None:
        self._files = files
        self._numbers = numbers

    def process(
        self, element: tuple[Queries, Best]
    ) -> Iterator[dict[str, Any]]:
        """Yields the rows of the table."""
        block, best = Queries(*element[0]), Best(*element[1])
        names = _read(self._files, block, [NAME])[NAME].to_pylist()
        known = self._numbers.get().names
        for name, numbers, similarities in zip(
            names, best.number.tolist(), best.similarity.tolist(), strict=True
        ):
            files = [known[number] for number in numbers]
            yield {NAME: name, FILES: files, SIMILARITIES: similarities}


def _read(
    files: Sequence[Shard], block: Queries, columns: Sequence[str]
) -> pa.Table:
    table = shards.read_group(files[block.shard], block.group, columns)
    return table.slice(block.start, _BLOCK)
