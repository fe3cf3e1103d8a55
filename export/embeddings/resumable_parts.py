"""Keeps embeddings on disk in parts, so that interrupted jobs can continue."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from and_tf.utils import archives, atomic_files, locks, records
from and_tf.utils.errors import InputError

REMEDY = (
    "Make room or change --output, then run the same command again; parts "
    "that were written before stay."
)
_ARRAYS = {"embeddings": ("f", 2), "readable": ("b", 1), "seconds": ("fiu", 0)}


class Part(NamedTuple):
    """The embeddings of n consecutive images.

    Attributes:
        embeddings: float32 [m, D], those of the readable images.
        readable: bool [n], True for images that could be read.
        seconds: The time for decoding and embedding, in seconds.
    """

    embeddings: np.ndarray
    readable: np.ndarray
    seconds: float


class Parts:
    """A directory for the parts of a job.

    Args:
        path: The directory; `begin` creates it.
        dim: The length D of an embedding.
    """

    def __init__(self, path: pathlib.Path, dim: int) -> None:
        self.path = path
        self._dim = dim
        self._stack = contextlib.ExitStack()

    def begin(self, job: dict[str, Any]) -> int:
        """Locks the directory for a job, which may be an interrupted one.

        Args:
            job: All that the parts depend on, as JSON values.

        Returns:
            The number of parts that are there already.

        Raises:
            InputError: If the directory holds parts of another job, is in use
                by another process or cannot be written to.
        """
        note = self.path / "job.json"
        if note.exists() or self._part(0).exists():
            self._check(note, job)
        else:
            atomic_files.write_json(note, job, REMEDY)
        self._lock(note)
        count = 0
        while self._part(count).exists():
            count += 1
        return count

    def write(self, number: int, part: Part) -> None:
        """Writes a part, completely or not at all."""
        arrays = part._asdict()
        atomic_files.write(
            self._part(number), lambda file: np.savez(file, **arrays), REMEDY
        )

    def read(self, number: int) -> Part:
        """Reads a part.

        Raises:
            InputError: If the part is damaged.
        """
        path = self._part(number)
        try:
            embeddings, readable, seconds = archives.read(path, _ARRAYS)
            if embeddings.shape != (readable.sum(), self._dim):
                raise ValueError(f"embeddings {embeddings.shape}")
        except archives.DAMAGE as error:
            raise InputError(
                f"Expected {path} to be a whole part. Received: "
                f"{archives.why(error)}. "
                "Delete it and run the same command again."
            ) from error
        return Part(embeddings, readable, float(seconds))

    def each(self, count: int) -> Iterator[Part]:
        """Reads the first `count` parts, one at a time."""
        return map(self.read, range(count))

    def remove(self) -> None:
        """Unlocks and removes the directory with all its files."""
        self.release()
        shutil.rmtree(self.path, ignore_errors=True)

    def release(self) -> None:
        """Unlocks the directory, so that another process can continue."""
        self._stack.close()

    def _part(self, number: int) -> pathlib.Path:
        return self.path / f"part-{number:06}.npz"

    def _check(self, note: pathlib.Path, job: dict[str, Any]) -> None:
        try:
            there = records.decode(note.read_bytes(), dict[str, Any])
        except (OSError, records.WrongRecordError):
            there = {}
        differs = [key for key in job if there.get(key) != job[key]]
        if differs:
            changes = ", ".join(
                f"{key} {_brief(there.get(key))}, not {_brief(job[key])}"
                for key in differs
            )
            raise InputError(
                f"Expected {self.path} to hold the parts of this job. "
                f"Received: those of another one ({changes}). Finish it with "
                "its own command, delete that directory or choose another "
                "--output."
            )

    def _lock(self, note: pathlib.Path) -> None:
        """Locks the directory until `release`, or until the process ends."""
        file = self._stack.enter_context(open(note, "rb"))
        if locks.is_free(file.fileno()) is False:
            self.release()
            raise InputError(
                f"Another process is already writing to {self.path}. Wait for "
                "it to end, or choose another --output."
            )


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"
