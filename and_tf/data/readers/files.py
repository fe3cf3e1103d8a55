"""Reads images that are files of their own."""

from __future__ import annotations

import os
from collections.abc import Sequence

from and_tf.data import decode_cache
from and_tf.data.readers import opening
from and_tf.data.readers.reader import Reader
from and_tf.data.walking import Skipped


class FilesReader(Reader):
    """A reader of files.

    Args:
        root: The directory that names are relative to.
        names: The path of each file.
        labels: The label of each file, see `Reader`; None if none has one.
        skipped: The files that were found and left out.
        places: The path of each file, if it is not `root` and its name.
    """

    def __init__(
        self,
        root: str,
        names: Sequence[str],
        labels: Sequence[int | str | None] | None = None,
        skipped: tuple[Skipped, ...] = (),
        places: Sequence[str] | None = None,
    ) -> None:
        self._root, self._places = root, places
        self.names, self.labels, self.skipped = names, labels, skipped

    def read(self, number: int) -> bytes:
        return opening.read_file(self._path(number))

    def identity(self) -> str | None:
        paths = (self._path(number) for number in range(len(self.names)))
        return decode_cache.identity(map(os.fsencode, paths), "files")

    def _path(self, number: int) -> str:
        if self._places is not None:
            return self._places[number]
        return os.path.join(self._root, self.names[number])
