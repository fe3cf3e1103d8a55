"""Keeps what a teacher said about the training images in a run's directory.

`teacher/` has `head.npz`, how features become rows; the rows in files
`rows_<first number>.npz` of at most `PART_BYTES`; and `neighbours.npz`. Each
file appears whole or not at all, has a CRC of each array, and names what it
was made from. A file that is damaged or of something else counts as missing,
so that it is computed again.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import pathlib
from typing import Any

import numpy as np

from and_tf.pretexts.teacher_rows import unit_norm
from and_tf.utils import archives, atomic_files

# Large sets have several files, so that not all is lost if the process is
# killed, and no file needs as much memory to write as all rows.
PART_BYTES = 32 * 2**20
_PIECE = 2**24  # Bytes that are hashed at a time.


@dataclasses.dataclass(frozen=True, eq=False)
class Head:
    """The map from a teacher's features to rows.

    Attributes:
        mean: float32 [F], the mean of the features.
        projection: float32 [F, D]; see `fit_whitening`.
    """

    mean: np.ndarray
    projection: np.ndarray

    def rows(self, features: np.ndarray) -> np.ndarray:
        """Returns the unit-norm rows, float32 [n, D], of features [n, F]."""
        return unit_norm((features - self.mean) @ self.projection)

    @functools.cached_property
    def mark(self) -> str:
        """The hash by which parts name the head that they were made with."""
        return digest(self.mean, self.projection)


class TeacherFiles:
    """The directory of a teacher's rows.

    Args:
        path: The directory; it need not exist.
        notes: JSON values that say what the rows are made from: a head with
            other notes is none of this teacher's.
    """

    def __init__(self, path: pathlib.Path, notes: dict[str, Any]) -> None:
        self.path = path
        self._notes = json.dumps(notes, sort_keys=True)

    def read_head(self) -> Head | None:
        """Reads the head; returns None if there is none of this teacher."""
        expected = {"notes": ("U", 0), "mean": ("f", 1), "projection": ("f", 2)}
        try:
            notes, *arrays = archives.read(self.path / "head.npz", expected)
        except archives.DAMAGE:
            return None
        return Head(*arrays) if str(notes) == self._notes else None

    def write_head(self, head: Head) -> None:
        """Writes the head."""
        self._write(
            "head.npz",
            notes=np.array(self._notes),
            mean=head.mean,
            projection=head.projection,
        )

    def read_rows(self, head: Head, rows: np.ndarray) -> int:
        """Reads the rows that are there from the first on, without a gap.

        Args:
            head: The head that they were made with.
            rows: float32 [N, D], filled as far as there are rows.

        Returns:
            The number of rows that were read.
        """
        done = 0
        while done < len(rows):
            try:
                mark, part = archives.read(
                    self.path / _part_name(done),
                    {"head": ("U", 0), "rows": ("f", 2)},
                )
            except archives.DAMAGE:
                break
            fits = part.shape[1:] == rows.shape[1:] and (
                0 < len(part) <= len(rows) - done
            )
            if str(mark) != head.mark or not fits:
                break
            rows[done : done + len(part)] = part
            done += len(part)
        return done

    def write_rows(self, head: Head, start: int, rows: np.ndarray) -> None:
        """Writes rows [n, D], whose first has the number `start`."""
        self._write(_part_name(start), head=np.array(head.mark), rows=rows)

    def read_neighbours(self, of: str, shape: tuple[int, int]) -> Any:
        """Reads neighbours int32 [N, k], or returns None.

        Args:
            of: The digest of the rows among which they are.
            shape: (N, k).
        """
        expected = {"rows": ("U", 0), "neighbours": ("i", 2)}
        try:
            mark, found = archives.read(self.path / "neighbours.npz", expected)
            archives.check_rows(shape[0], found)
        except archives.DAMAGE:
            return None
        return found if str(mark) == of and found.shape == shape else None

    def write_neighbours(self, of: str, neighbours: np.ndarray) -> None:
        """Writes the neighbours among the rows of digest `of`."""
        self._write("neighbours.npz", rows=np.array(of), neighbours=neighbours)

    def _write(self, name: str, **arrays: Any) -> None:
        atomic_files.write(
            self.path / name, lambda file: np.savez(file, **arrays)
        )


def part_rows(dim: int, multiple: int) -> int:
    """Returns how many rows a file has at most.

    Args:
        dim: D, the length of a row.
        multiple: The number of rows is a multiple of this.
    """
    return max(PART_BYTES // (4 * dim * multiple), 1) * multiple


def digest(*arrays: np.ndarray) -> str:
    """Returns the SHA-256 hash of arrays, with their shapes and dtypes."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(repr((array.shape, array.dtype.str)).encode())
        content = np.ascontiguousarray(array).data.cast("B")
        for start in range(0, len(content), _PIECE):
            found.update(content[start : start + _PIECE])
    return found.hexdigest()


def _part_name(start: int) -> str:
    return f"rows_{start:09}.npz"
