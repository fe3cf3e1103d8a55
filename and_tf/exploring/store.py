"""Keeps what was measured of files on disk, so that no file is read twice.

The directory has parts `part-000000.npz`, of some hundred files each, in a
folder of the encoder's digest. A part appears whole or not at all, so that a
killed run goes on where it was. A file counts as known if its path, size and
time of change are as they were; of several rows of a path, the latest part
counts. Files that cannot be read are not kept: they may be readable next time.

This is not `export.embeddings.resumable_parts`, whose parts are consecutive
rows of one job that never changes, nor `training.teacher_files`, whose rows
have numbers and no names. What the three share is in `utils`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from and_tf.exploring import measures
from and_tf.utils import archives, atomic_files, locks
from and_tf.utils.errors import InputError

_REMEDY = (
    "Make room or change --output, then run the same command again; what was "
    "measured before stays."
)
_DIGEST_CHARACTERS = 16
_STEM = "part-"


class State(NamedTuple):
    """The size and time by which a changed file is known.

    Attributes:
        size: Bytes.
        changed: The time of the last change in nanoseconds.
    """

    size: int
    changed: int


@dataclasses.dataclass(frozen=True)
class Row:
    """The measures of a file.

    Attributes:
        sha256: Of the file's bytes, in hexadecimal digits.
        pixels_sha256: Of the upright image, in hexadecimal digits; with its
            opacity if it is not opaque.
        width: Of the upright image, in pixels.
        height: Of the upright image, in pixels.
        orientation: EXIF's number, 1..8.
        taken: EXIF's time of the photograph, ISO 8601, or "".
        has_place: Whether EXIF data have a place.
        truncated: Whether only a part of the image could be decoded.
        measures: float32 [4], `measures.Measures`.
        grey: uint8 [64, 64], see `measures.grey`.
        chroma: uint8 [8, 8, 2], see `measures.chroma`.
        thumbnail: A JPEG of the centre square.
        embedding: float32 [D].
    """

    sha256: str
    pixels_sha256: str
    width: int
    height: int
    orientation: int
    taken: str
    has_place: bool
    truncated: bool
    measures: np.ndarray
    grey: np.ndarray
    chroma: np.ndarray
    thumbnail: bytes
    embedding: np.ndarray


class _Place(NamedTuple):
    """The place of a file's row.

    Attributes:
        state: The file's state when it was measured.
        part: The part that has the row.
        row: The number of the row in the part.
    """

    state: State
    part: pathlib.Path
    row: int


# The arrays of a part and their forms, as `archives.read` takes them.
_PATHS = {"paths": ("u", 1), "path_ends": ("i", 1), "states": ("i", 2)}
_PLAIN = {
    "sha256": ("U", 1), "pixels_sha256": ("U", 1), "width": ("i", 1),
    "height": ("i", 1), "orientation": ("i", 1), "taken": ("U", 1),
    "has_place": ("b", 1), "truncated": ("b", 1), "measures": ("f", 2),
    "grey": ("u", 3), "chroma": ("u", 4), "embedding": ("f", 2),
}  # fmt: skip
_THUMBNAILS = {"thumbnails": ("u", 1), "thumbnail_ends": ("i", 1)}


class Store:
    """The measured files of a folder, as a context manager.

    Entering it locks the directory and reads what is there. Rows stay on the
    disk, as a hundred thousand take more than a gigabyte.

    Args:
        directory: The directory; it need not exist.
        encoder_digest: A hash of everything that embeddings depend on, such
            as the weights and the size of the images. Rows of other encoders
            stay, but are not used.
    """

    def __init__(self, directory: pathlib.Path, encoder_digest: str) -> None:
        self.path = directory / encoder_digest[:_DIGEST_CHARACTERS]
        self._places: dict[str, _Place] = {}
        self._next = 0
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Store:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = self._stack.enter_context(open(self.path / ".lock", "ab"))
        except OSError as error:
            why = error.strerror or str(error)
            raise atomic_files.unwritable(self.path, why, _REMEDY) from error
        if locks.is_free(lock.fileno()) is False:
            self._stack.close()
            raise InputError(
                f"Another process is already writing to {self.path}. Wait for "
                "it to end, or choose another --output."
            )
        for path in sorted(self.path.glob(f"{_STEM}*.npz")):
            self._take(path)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def knows(self, path: str, state: State) -> bool:
        """Returns whether a file is in the store, as it is now."""
        place = self._places.get(path)
        return place is not None and place.state == state

    def state(self, path: str) -> State:
        """Returns the state in which a file was last measured."""
        return self._places[path].state

    def rows(self, paths: Sequence[str]) -> Iterator[tuple[int, Row]]:
        """Yields what was last measured of files that are in the store.

        No more than one part is in memory at a time.

        Args:
            paths: The paths of the files.

        Yields:
            Places in `paths`, part by part, and their rows.

        Raises:
            InputError: If a part was damaged since the store was entered.
        """

        def part(number: int) -> pathlib.Path:
            return self._places[paths[number]].part

        for path, numbers in itertools.groupby(
            sorted(range(len(paths)), key=part), part
        ):
            try:
                found = [row for _, _, row in _unpacked(path)]
            except archives.DAMAGE as error:
                raise InputError(
                    f"Expected {path} as it was when this run began. Received "
                    f"a damaged file ({archives.why(error)}). Run the same "
                    "command again, which measures its images anew."
                ) from error
            for number in numbers:
                yield number, found[self._places[paths[number]].row]

    def add(self, files: Sequence[tuple[str, State, Row]]) -> None:
        """Writes a part.

        Args:
            files: The path, the state and the measured values of each file.

        Raises:
            InputError: If the disk is full, or must not be written to.
        """
        arrays = _packed(files)
        part = self.path / f"{_STEM}{self._next:06}.npz"
        atomic_files.write(part, lambda file: np.savez(file, **arrays), _REMEDY)
        self._next += 1
        self._note(part, files)

    def _take(self, path: pathlib.Path) -> None:
        """Reads a part; a damaged one is removed, to be measured again."""
        number = path.stem.removeprefix(_STEM)
        if number.isdecimal():
            self._next = max(self._next, int(number) + 1)
        try:
            self._note(path, _unpacked(path))
        except archives.DAMAGE:
            with contextlib.suppress(OSError):
                path.unlink()

    def _note(
        self, part: pathlib.Path, files: Sequence[tuple[str, State, Row]]
    ) -> None:
        """Notes where the rows of files are."""
        for number, (path, state, _) in enumerate(files):
            self._places[path] = _Place(state, part, number)


def _packed(files: Sequence[tuple[str, State, Row]]) -> dict[str, Any]:
    paths, states, rows = zip(*files, strict=True)
    encoded, path_ends = _joined([os.fsencode(path) for path in paths])
    jpegs, jpeg_ends = _joined([row.thumbnail for row in rows])
    arrays: dict[str, Any] = {
        "paths": encoded,
        "path_ends": path_ends,
        "states": np.array(states, np.int64),
        "thumbnails": jpegs,
        "thumbnail_ends": jpeg_ends,
    }
    for name in _PLAIN:
        arrays[name] = np.array([getattr(row, name) for row in rows])
    return arrays


def _unpacked(path: pathlib.Path) -> list[tuple[str, State, Row]]:
    """Reads the files of a part.

    Raises:
        archives.DAMAGE: If the part is damaged or of another version.
    """
    forms = _PATHS | _THUMBNAILS | _PLAIN
    arrays = dict(zip(forms, archives.read(path, forms), strict=True))
    side = measures.GREY
    if arrays["grey"].shape[1:] != (side, side):
        raise ValueError(f"grey thumbnails {arrays['grey'].shape}")
    paths = _parted(arrays["paths"], arrays["path_ends"])
    jpegs = _parted(arrays["thumbnails"], arrays["thumbnail_ends"])
    columns = [list(arrays[name]) for name in _PLAIN]
    found = []
    for path_bytes, state, jpeg, *values in zip(
        paths, arrays["states"].tolist(), jpegs, *columns, strict=True
    ):
        named: dict[str, Any] = {
            name: value.item() if np.ndim(value) == 0 else value
            for name, value in zip(_PLAIN, values, strict=True)
        }
        row = Row(thumbnail=jpeg, **named)
        found.append((os.fsdecode(path_bytes), State(*state), row))
    return found


def _joined(texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Returns bytes after each other, uint8, and where each text ends."""
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    return np.frombuffer(b"".join(texts), np.uint8), ends


def _parted(content: np.ndarray, ends: np.ndarray) -> list[bytes]:
    starts = [0, *ends[:-1].tolist()]
    return [
        content[start:end].tobytes()
        for start, end in zip(starts, ends.tolist(), strict=True)
    ]
