"""Writes the table with a picture in each row, for tools that read no files.

The column `image` is a structure of `bytes` and `path`, as Hugging Face's
`datasets` keeps images in Parquet files.

These tools are not installed with this project, as they bring PyTorch or change
versions. Embedding Atlas 0.26.0 opened the file and showed its pictures beside
the rows; its map, which needs WebGPU, was not seen. `datasets` 5.2.0 read the
column as images after `cast_column("image", datasets.Image())`.
"""

from __future__ import annotations

import pathlib
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet

from and_tf.exploring.outgoing import REMEDY, Outgoing
from and_tf.utils import atomic_files

FILE = "images_with_thumbnails.parquet"
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_ROWS = 4096  # In a part of the file; their pictures take about 12 MB.


def write(images: Outgoing, directory: pathlib.Path) -> pathlib.Path:
    """Writes images_with_thumbnails.parquet.

    It has the columns of images.parquet and `image`, a JPEG of the centre
    square and the value of `file`.

    Args:
        images: The images.
        directory: The directory to write to.
    """
    table = images.table
    schema = table.schema.append(pa.field("image", _IMAGE))

    def fill(file: BinaryIO) -> None:
        with pyarrow.parquet.ParquetWriter(file, schema) as writer:
            for start in range(0, len(table), _ROWS):
                part = table.slice(start, _ROWS)
                pictures = images.thumbnails[start : start + _ROWS]
                files = part["file"].to_pylist()
                column = [
                    {"bytes": picture, "path": file}
                    for picture, file in zip(pictures, files, strict=True)
                ]
                writer.write_table(
                    part.append_column("image", pa.array(column, _IMAGE))
                )

    atomic_files.write(directory / FILE, fill, REMEDY)
    return directory / FILE
