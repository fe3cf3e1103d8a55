"""Embeds any number of images into a table, in parts that a killed job keeps.

Every part begins with a new batch. A batch thus holds the same images whether
or not the job was interrupted before it, and the table is the same to the bit.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from and_tf.data.in_memory import readable_batches
from and_tf.utils import atomic_files
from and_tf.utils.errors import InputError
from and_tf.utils.escaping import for_console
from and_tf.utils.progress import Counted
from export.embeddings import tables
from export.embeddings.encoders import Encoder
from export.embeddings.formats import Rows
from export.embeddings.resumable_parts import REMEDY, Part, Parts
from export.embeddings.sources import Source

PART = 4096  # Images in a part, rounded down to a multiple of the batch size.


@dataclasses.dataclass(frozen=True)
class Extraction:
    """The result of an extraction.

    Attributes:
        count: The number of rows N in the table.
        skipped: The names of the images that could not be read.
        seconds: The time for decoding and embedding, in seconds, summed over
            all calls that an interrupted job needed.
    """

    count: int
    skipped: list[str]
    seconds: float

    @property
    def images_per_second(self) -> float:
        """The number of images that were embedded per second."""
        return self.count / max(self.seconds, 1e-9)


def extract(
    encoder: Encoder,
    source: Source,
    output: pathlib.Path,
    *,
    model: str = "",
    batch_size: int = 64,
    say: Callable[[str], None] = print,
) -> Extraction:
    """Writes the embeddings of all images that can be read.

    Memory does not grow with the number of images, except for names and
    labels. If a call is interrupted, the same call again continues after the
    last complete part.

    Args:
        encoder: The encoder that embeds the images.
        source: The images.
        output: The table to write; its suffix chooses the format.
        model: Path of the encoder, which is written into the sidecar.
        batch_size: The number of images that are embedded at a time.
        say: A function that gets a line of text when a job is continued.

    Returns:
        The number of rows, the unreadable images and the time.

    Raises:
        InputError: If no image can be read, the output cannot be written, or
            the parts beside it belong to another job.
    """
    tables.check_output(output)
    job = _Job(encoder, source, output, batch_size)
    there = job.parts.begin(job.describe())
    try:
        if there:
            done = min(there * job.part_size, job.total)
            say(f"going on after {done:,} of {job.total:,}")
        job.embed(there)
        readable, seconds = job.embedded()
        result = Extraction(
            int(readable.sum()),
            [source.name(i) for i in np.flatnonzero(~readable).tolist()],
            seconds,
        )
        if result.count:
            job.merge(np.flatnonzero(readable))
            _write_beside(output, {"model": model, **job.describe()}, result)
            os.replace(job.merged, output)
        job.parts.remove()
    finally:
        job.parts.release()
    if not result.count:
        form = encoder.form
        as_wanted = "" if form.usual else f" as {form.channels} channels"
        raise InputError(
            f"Expected images that can be read in {source.images}. Received "
            f"{job.total:,} files, none of which can be read{as_wanted}, such "
            f"as {result.skipped[0]}."
        )
    return result


class _Job:
    """A job that embeds the images of a source into a table.

    Args:
        encoder: The encoder that embeds the images.
        source: The images.
        output: The table to write.
        batch_size: The number of images that are embedded at a time.

    Attributes:
        parts: The parts of the table that are written already.
        total: The number of images, including unreadable ones.
        part_size: The number of images in each part except the last.
        merged: Path of the complete table, before it is moved to `output`.
    """

    def __init__(
        self,
        encoder: Encoder,
        source: Source,
        output: pathlib.Path,
        batch_size: int,
    ) -> None:
        self.parts = Parts(
            tables.parts_directory(output), encoder.embedding_dim
        )
        self.total = source.split.size
        self.part_size = max(PART // batch_size, 1) * batch_size
        self.merged = self.parts.path / output.name
        self._encoder = encoder
        self._source = source
        self._batch_size = batch_size
        self._listing = source.listing()

    def describe(self) -> dict[str, Any]:
        """Returns all that the parts depend on, as JSON values."""
        image_key = self._source.image_key
        return {
            "images": self._source.images,
            "root": self._source.root,
            "data_dir": self._source.data_dir,
            "label_key": self._source.label_key,
            # Parts of an earlier version are without it.
            **({"image_key": image_key} if image_key else {}),
            "listing": self._listing,
            "images_listed": self.total,
            "model_fingerprint": self._encoder.fingerprint,
            "image_size": self._encoder.image_size,
            "embedding_dim": self._encoder.embedding_dim,
            "batch_size": self._batch_size,
            **self._encoder.form.description,
        }

    def embed(self, there: int) -> None:
        """Embeds and writes the parts that are missing.

        Args:
            there: The number of parts that are written already.
        """
        done = min(there * self.part_size, self.total)
        embeddings, readable, began = [], [], time.monotonic()
        with Counted("embed", self.total, done) as progress:
            for images, good in self._batches(done):
                embeddings.append(self._encoder(images)[good])
                readable.append(good)
                done += len(images)
                if done % self.part_size == 0 or done == self.total:
                    now = time.monotonic()
                    part = Part(
                        np.concatenate(embeddings),
                        np.concatenate(readable),
                        now - began,
                    )
                    self.parts.write(there, part)
                    embeddings, readable, began = [], [], now
                    there += 1
                progress.advance(len(images))
        if done < self.total:
            raise InputError(
                f"Expected {self.total:,} images in {self._source.images}. "
                f"Received: {done:,}. Get them again."
            )

    def embedded(self) -> tuple[np.ndarray, float]:
        """Returns which images are readable, bool [total], and the seconds."""
        parts = [(p.readable, p.seconds) for p in self._each_part()]
        readable, seconds = zip(*parts, strict=True)
        return np.concatenate(readable), sum(seconds)

    def merge(self, numbers: np.ndarray) -> None:
        """Writes all parts as one table.

        Args:
            numbers: int64 [N], the numbers of the images that could be read.
        """
        source, split = self._source, self._source.split
        names = split.class_names
        with Counted("write", len(numbers)) as progress:

            def embeddings() -> Iterator[np.ndarray]:
                for part in self._each_part():
                    if len(part.embeddings):
                        yield part.embeddings
                        progress.advance(len(part.embeddings))

            rows = Rows(
                count=len(numbers),
                embedding_dim=self._encoder.embedding_dim,
                name=lambda row: source.name(numbers[row]),
                embeddings=embeddings,
                labels=None if split.labels is None else split.labels[numbers],
                class_names=names,
            )
            suffix = self.merged.suffix
            atomic_files.write(
                self.merged, lambda f: tables.write(f, suffix, rows), REMEDY
            )

    def _each_part(self) -> Iterator[Part]:
        return self.parts.each(-(-self.total // self.part_size))

    def _batches(self, done: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields images, uint8 [b, S, S, C], and whether each can be read.

        Args:
            done: The number of images to skip.

        Raises:
            InputError: If a file with many images is damaged.
        """
        if done >= self.total:  # Skipping all images would still read them.
            return
        side = self._encoder.image_size
        batches = readable_batches(
            self._source.split,
            (side, side, self._encoder.form.channels),
            side,
            batch_size=self._batch_size,
            first=done,
        )
        try:
            for images, readable, _ in batches.as_numpy_iterator():
                yield images, readable
        except tf.errors.OpError as error:
            said = error.message.strip().splitlines()[0][:200]
            raise InputError(
                f"Expected the files of {self._source.images} to be whole. "
                f"Received: {said}. Get them again."
            ) from error


def _write_beside(
    output: pathlib.Path, about: dict[str, Any], result: Extraction
) -> None:
    """Writes the sidecar, and the list of images that could not be read."""
    if result.skipped:
        # Line breaks in a name are escaped, so that each name takes one line.
        text = "".join(f"{for_console(name)}\n" for name in result.skipped)
        path = tables.skipped_list(output)
        atomic_files.write_text(path, text, REMEDY)
    now = datetime.datetime.now(datetime.UTC)
    atomic_files.write_json(
        tables.sidecar(output),
        {
            **about,
            "count": result.count,
            "skipped": len(result.skipped),
            "created": now.isoformat(timespec="seconds"),
            "seconds": round(result.seconds, 3),
            "images_per_second": round(result.images_per_second, 1),
        },
        REMEDY,
    )
