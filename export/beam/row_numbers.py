"""Numbers the rows of a table by the names of their images.

Tables of pipelines have no order: which row is in which file depends on how
the work was shared. Numbers that follow from the names alone make ties, and the
first of several copies, the same in every run.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from apache_beam.utils import shared

from and_tf.utils.errors import InputError
from export.beam import shards
from export.beam.shards import Shard

NAME, PIXELS = "file_name", "pixels_sha256"


class RowNumbers:
    """The numbers of a table's rows, as each process of a worker holds them.

    They take about 200 bytes for each of N rows, and with `alike` 300.

    Args:
        files: The files of the table.
        alike: Whether to compare the hashes of the pixels too.

    Attributes:
        names: The N names, sorted by their folders, as walking finds files.
        number: The number of each name.
        shard: int64 [N], the file that each row is in.
        alike: int64 [N], the first row with the same pixels; only on request.

    Raises:
        InputError: If a name is there twice.
    """

    def __init__(self, files: Sequence[Shard], alike: bool = False) -> None:
        columns = [NAME, PIXELS] if alike else [NAME]
        rows = [
            (name, place, *digest)
            for place, shard in enumerate(files)
            for table in shards.read_groups(shard, columns)
            for name, *digest in zip(
                *(table[column].to_pylist() for column in columns), strict=True
            )
        ]
        rows.sort(key=lambda row: row[0].split("/"))
        self.names = [row[0] for row in rows]
        self.number = {name: i for i, name in enumerate(self.names)}
        self.shard = np.array([row[1] for row in rows], np.int64)
        if len(self.number) < len(self.names):
            twice = next(
                name
                for i, name in enumerate(self.names)
                if self.number[name] != i
            )
            raise InputError(
                f"Expected each file_name once. Received {twice} twice in the "
                f"files beside {files[0].path}."
            )
        if alike:
            from and_tf.exploring import duplicates  # Imports TensorFlow.

            self.alike = duplicates.first_of_equal([row[2] for row in rows])

    def of(self, names: Sequence[str]) -> np.ndarray:
        """Returns the numbers of names, int64; −1 for unknown ones."""
        return np.array([self.number.get(name, -1) for name in names], np.int64)


class SharedNumbers:
    """Numbers that a process reads once, however many transforms use them.

    Args:
        files: The files of the table.
        alike: See `RowNumbers`.
    """

    def __init__(self, files: Sequence[Shard], alike: bool = False) -> None:
        self._files = tuple(files)
        self._alike = alike
        self._shared = shared.Shared()

    def get(self) -> RowNumbers:
        """Returns the numbers."""
        return self._shared.acquire(
            lambda: RowNumbers(self._files, self._alike)
        )
