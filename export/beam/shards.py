"""Reads and writes tables in the Parquet files that pipelines share.

A table is written as `<prefix>-00000-of-00008.parquet` and so on. Beam writes
each file under another name, and renames all of them once they are complete.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystems import CompressionTypes, FileSystems

from and_tf.utils.errors import InputError
from export.beam import pipelines

SUFFIX = ".parquet"
# Rows in a group, the least that is read at a time.
ROWS = 4096
_NAME_BYTES = 64  # Of a file's name, about.
_NUMBER = re.compile(r"-(\d{5,})-of-(\d{5,})\.parquet$")


class Shard(NamedTuple):
    """A file of a table.

    Attributes:
        path: Its path or URL.
        groups: The number of rows in each of its row groups.
    """

    path: str
    groups: tuple[int, ...]

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(self.groups)


def find(prefix: str, flag: str, columns: Sequence[str]) -> list[Shard]:
    """Finds the files of a table, and reads their headers.

    Args:
        prefix: What --output of the pipeline was, the path of a single .parquet
            file, or a pattern.
        flag: The flag that names the table.
        columns: The columns that the table must have.

    Raises:
        InputError: If there are none, some are missing, or one is no Parquet
            file with these columns.
    """
    is_whole = prefix.endswith(SUFFIX) or "*" in prefix
    pattern = prefix if is_whole else f"{prefix}-*-of-*{SUFFIX}"
    found = pipelines.matching(pattern, flag)
    if not found:
        raise InputError(
            f"Expected the files of a table for --{flag}. Received: {pattern}, "
            "which matches none."
        )
    numbers = [_NUMBER.search(path) for path in found]
    wanted = {int(match[2]) for match in numbers if match}
    if all(numbers) and wanted != {len(found)}:
        raise InputError(
            f"Expected all files of one table for --{flag}. Received: "
            f"{len(found)} that match {pattern}, where their names speak of "
            f"{' and '.join(map(str, sorted(wanted)))}."
        )
    return [_shard(path, flag, columns) for path in found]


def written(prefix: str) -> list[Shard]:
    """Finds the files that a pipeline has just written.

    Raises:
        InputError: If there are none. Some runners leave out what they do not
            know, and say nothing.
    """
    if not pipelines.matching(f"{prefix}-*-of-*{SUFFIX}", "output"):
        raise InputError(
            f"Expected the runner to write {prefix}-*-of-*{SUFFIX}. Received "
            "none, and no error. Choose another --runner."
        )
    return find(prefix, "output", [])


def read_lines(prefix: str) -> list[str]:
    """Returns the lines of `write_lines`."""
    lines = []
    for path in pipelines.matching(f"{prefix}-*-of-*.jsonl", "output"):
        with _opened(path) as file:
            lines += file.read().decode().splitlines()
    return lines


def read_group(
    shard: Shard, group: int, columns: Sequence[str] | None = None
) -> pa.Table:
    """Reads some columns of a row group; None reads all of them."""
    with _opened(shard.path) as file:
        return pq.ParquetFile(file).read_row_group(group, columns)


def read_groups(
    shard: Shard, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """Yields the row groups of a file."""
    with _opened(shard.path) as file:
        parquet = pq.ParquetFile(file)
        for group in range(len(shard.groups)):
            yield parquet.read_row_group(group, columns)


def write(
    prefix: str, schema: pa.Schema, shards: int, row_bytes: int
) -> beam.PTransform:
    """Makes the transform that writes rows, dictionaries, as a table.

    Args:
        prefix: The beginning of the files' names.
        schema: The columns.
        shards: The number of files.
        row_bytes: The bytes of a row, about, without its file_name.
    """
    return beam.io.WriteToParquet(
        prefix,
        schema,
        row_group_buffer_size=ROWS * (row_bytes + _NAME_BYTES),
        record_batch_size=ROWS // 4,
        file_name_suffix=SUFFIX,
        num_shards=shards,
    )


def write_lines(prefix: str) -> beam.PTransform:
    """Makes the transform that writes lines of text to one .jsonl file."""
    return beam.io.WriteToText(
        prefix, ".jsonl", num_shards=1, skip_if_empty=True
    )


def total(shards: Iterable[Shard]) -> int:
    """Returns the number of rows of a table."""
    return sum(shard.rows for shard in shards)


def _opened(path: str) -> Any:
    return FileSystems.open(
        path, compression_type=CompressionTypes.UNCOMPRESSED
    )


def _shard(path: str, flag: str, columns: Sequence[str]) -> Shard:
    try:
        with _opened(path) as file:
            header = pq.read_metadata(file)
            names = set(header.schema.to_arrow_schema().names)
    except Exception as error:  # Of the file system, or of pyarrow.
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"Expected a Parquet file for --{flag}. Received: {path}, which "
            f"cannot be read: {said[:200]}."
        ) from error
    missing = [name for name in columns if name not in names]
    if missing:
        raise InputError(
            f"Expected the columns {', '.join(columns)} in --{flag}. Received: "
            f"{path} without {missing[0]}."
        )
    rows = (header.row_group(g).num_rows for g in range(header.num_row_groups))
    return Shard(path, tuple(rows))
