"""Reads images in pipelines; those that cannot be read go to a list."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import stat
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import apache_beam as beam
import pyarrow.parquet as pq
from apache_beam.io import fileio
from apache_beam.io.filesystems import CompressionTypes, FileSystems

from and_tf.data import image_endings, image_file
from and_tf.data.pixel_format import RGB, PixelFormat
from and_tf.data.walking import Refused, summaries, utf8
from and_tf.utils.errors import InputError
from export.beam import pipelines, shards
from export.beam.pipeline_flags import absolute, is_url
from export.embeddings import sources

UNREADABLE = "unreadable"  # A tag.
LISTED = "_unreadable"  # Behind --output in the name of the list.
_LISTS = (".csv", ".jsonl", ".parquet")
_COLUMNS = ("path", "file_name")  # In the order they are looked for.


class ImageFile(NamedTuple):
    """An image to read.

    Attributes:
        name: Its name in tables.
        path: Its path or URL in bytes, as paths need not be UTF-8.
    """

    name: str
    path: bytes


class Found(NamedTuple):
    """The images that a flag names.

    Attributes:
        files: The files that were listed already; None if the pipeline is to
            list them.
        images: The value of --images.
        left_out: Sentences about what was left out.
    """

    files: list[ImageFile] | None
    images: str
    left_out: tuple[str, ...] = ()


def find(images: str) -> Found:
    """Finds out what --images names; lists local images, as export.embed does.

    Raises:
        InputError: If there are no such images.
    """
    is_list = images.endswith(_LISTS)
    if is_list or is_url(images):
        if not pipelines.matching(images, "images"):
            raise InputError(
                "Expected --images to name images or lists of paths. Received: "
                f"{images}, which matches no file."
            )
        return Found(None, absolute(images))
    if images.startswith((sources.TFDS, sources.DATA)) or images.endswith(
        ".npz"
    ):
        raise InputError(
            "Expected --images of a pipeline to be files. Received: "
            f"{images}. Embed it with python -m export.embed."
        )
    source = sources.open_source(images)
    files = [
        ImageFile(source.name(number), os.fsencode(path))
        for number, path in enumerate(source.files)
    ]
    return Found(files, images, tuple(summaries(source.split.skipped)))


def read(pipeline: beam.Pipeline, found: Found) -> beam.PCollection:
    """Adds the transforms that give a `ImageFile` for each image."""
    if found.files is not None:
        files = pipeline | "Images" >> beam.Create(found.files)
        return files | "Spread" >> beam.Reshuffle()
    matches = pipeline | "Match" >> fileio.MatchFiles(found.images)
    if found.images.endswith(_LISTS):
        listed = matches | "ReadLists" >> beam.FlatMap(_of_list)
        # An image that is listed twice is one row.
        return listed | "Distinct" >> beam.Distinct()
    return (
        matches
        | "Path" >> beam.Map(lambda match: match.path)
        | "Endings" >> beam.Filter(image_endings.is_readable)
        | "Name" >> beam.Map(lambda url: ImageFile(url, url.encode()))
        | "Spread" >> beam.Reshuffle()
    )


@contextlib.contextmanager
def opened(path: bytes) -> Iterator[tuple[BinaryIO, int]]:
    """Opens the file of an image; gives the file and its size in bytes.

    Raises:
        Refused: If it is no ordinary file.
        OSError and others: If it cannot be opened.
    """
    place = os.fsdecode(path)
    if is_url(place):
        with FileSystems.open(
            place, compression_type=CompressionTypes.UNCOMPRESSED
        ) as file:
            content = file.read()
        yield io.BytesIO(content), len(content)
        return
    # Opening a pipe would wait forever.
    if not stat.S_ISREG(os.stat(place).st_mode):
        raise Refused("that are no ordinary files")
    with open(place, "rb") as local:
        yield local, os.fstat(local.fileno()).st_size


class Unreadable(NamedTuple):
    """An image that cannot be read.

    Attributes:
        file_name: Its name.
        reason: A relative clause, such as "that cannot be read".
        error: The words of the error.
    """

    file_name: str
    reason: str
    error: str

    def line(self) -> str:
        """Returns it as a line of JSON."""
        return json.dumps(self._asdict())


def unreadable(name: str, error: Exception) -> beam.pvalue.TaggedOutput:
    """Makes the output for an image that cannot be read."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    why = image_file.why_not_read(error)
    return beam.pvalue.TaggedOutput(
        UNREADABLE, Unreadable(name, why, utf8(said[:500])).line()
    )


def tell_of_unreadable(images: str, output: str, *tables: str) -> None:
    """Prints how many images could not be read, and where they are listed.

    Args:
        images: The value of --images.
        output: The value of --output.
        *tables: The beginnings of the names of the files that were written.

    Raises:
        InputError: If none could be read. The files are removed then.
    """
    unread = shards.read_lines(output + LISTED)
    rows = [shards.total(shards.written(table)) for table in tables]
    if not any(rows):
        for prefix in (*tables, output + LISTED):
            pipelines.remove(prefix)
        why = f", such as {unread[0]}" if unread else ""
        raise InputError(
            f"Expected images that can be read in {images}. Received "
            f"{len(unread):,} files, none of which can be read{why}."
        )
    if unread:
        print(
            f"left out {len(unread):,} that cannot be read: they are in "
            f"{output}{LISTED}-00000-of-00001.jsonl"
        )


class Decode(beam.DoFn):
    """Decodes images to the size of an encoder.

    Args:
        image_size: S, in pixels.
        form: The channels that are read, and what their values mean.
    """

    def __init__(self, image_size: int, form: PixelFormat = RGB) -> None:
        self._image_size = image_size
        self._form = form

    def process(self, element: ImageFile) -> Iterator[Any]:
        """Yields the name and uint8 [S, S, C], or an `unreadable`."""
        import tensorflow as tf

        from and_tf.data.preprocessing import centre_square

        try:
            with opened(element.path) as (file, _):
                pixels = image_file.read_image(file, self._form)
        except Exception as error:  # Pillow and file systems raise many kinds.
            yield unreadable(element.name, error)
            return
        with tf.device("CPU"):
            square = centre_square(pixels, self._image_size).numpy()
        yield element.name, square


def _of_list(match: Any) -> Iterator[ImageFile]:
    """Yields the images that a file lists."""
    with FileSystems.open(
        match.path, compression_type=CompressionTypes.UNCOMPRESSED
    ) as file:
        for cell in _cells(match.path, file):
            path = cell
            if not is_url(cell) and not is_url(match.path):
                path = os.path.join(os.path.dirname(match.path), cell)
            elif not is_url(cell):
                path = FileSystems.join(FileSystems.split(match.path)[0], cell)
            yield ImageFile(utf8(cell), os.fsencode(path))


def _cells(path: str, file: BinaryIO) -> Iterator[str]:
    """Yields the values of the column of paths."""
    if path.endswith(".parquet"):
        parquet = pq.ParquetFile(file)
        column = _column(path, parquet.schema_arrow.names)
        for batch in parquet.iter_batches(columns=[column]):
            yield from batch.column(0).to_pylist()
        return
    text = io.TextIOWrapper(file, "utf-8", newline="")
    if path.endswith(".csv"):
        rows = csv.DictReader(text)
        column = _column(path, rows.fieldnames or [])
        yield from (row[column] for row in rows if row[column])
        return
    for line in text:
        if line.strip():
            row = json.loads(line)
            yield row[_column(path, row)]


def _column(path: str, names: Any) -> str:
    for column in _COLUMNS:
        if column in names:
            return column
    raise InputError(
        f"Expected a column {' or '.join(_COLUMNS)} in {path}. Received: "
        f"{', '.join(map(str, names)) or 'none'}."
    )
