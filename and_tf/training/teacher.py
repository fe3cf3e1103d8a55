"""Computes a teacher's rows: its embeddings of all clean training images.

The teacher sees each image once, before training. Its features are whitened,
since those of most encoders lie in a narrow cone, where the cosine says little.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np

from and_tf.data.pipeline import clean_batches
from and_tf.data.split import Split, subset
from and_tf.distribution.predict import shared_embeddings
from and_tf.distribution.process_group import ProcessGroup
from and_tf.encoders.whitening import FIT_IMAGES, fit_whitening
from and_tf.evaluation.embeddings import embed
from and_tf.pretexts.teacher_rows import averaged
from and_tf.search.nearest import nearest
from and_tf.training.restore import fingerprint
from and_tf.training.teacher_files import (
    Head,
    TeacherFiles,
    digest,
    part_rows,
)
from and_tf.utils.progress import Counted

# Images in a batch. Teachers are large, and see large images: a batch of 512
# images of 224 pixels would need gigabytes.
BATCH = 128


@dataclasses.dataclass(frozen=True)
class Teacher:
    """A teacher, and how its features become rows.

    Attributes:
        opens: Makes the trunk under the strategy that trains.
        image_size: S, in pixels.
        dim: D, the length of a row.
        power: The share of whitening, 0 to 1; see `fit_whitening`.
        description: JSON values that tell this trunk from any other.
        note: What a user should know of it, as a sentence; "" for nothing.
    """

    opens: Callable[[], keras.Model]
    image_size: int
    dim: int
    power: float = 1.0
    description: dict[str, Any] = dataclasses.field(default_factory=dict)
    note: str = ""

    @functools.cached_property
    def trunk(self) -> keras.Model:
        """A model from pixel values 0..255 to features.

        It takes [B, S, S, 3] and returns [B, F]. It is made when it is first
        used, as a run that has its rows needs none.
        """
        return self.opens()

    def features(self, split: Split, processes: ProcessGroup) -> np.ndarray:
        """Computes the features of a split's images, float32 [N, F]."""
        return np.concatenate([*_embedded(self, split, 0, processes)])


@dataclasses.dataclass(frozen=True, eq=False)
class TeacherRows:
    """The embeddings that a teacher gives to the training images.

    Attributes:
        rows: float32 [N, D], of unit norm: the teacher's own embeddings.
        head: The map from its features to rows.
        targets: float32 [N, D], of unit norm: what a student learns. They are
            the rows, or their averages over neighbourhoods.
    """

    rows: np.ndarray
    head: Head
    targets: np.ndarray

    @functools.cached_property
    def digest(self) -> str:
        """The hash of the targets, by which a resumed run knows them."""
        return digest(self.targets)


def teacher_rows(
    teacher: Teacher,
    split: Split,
    path: pathlib.Path,
    processes: ProcessGroup | None = None,
    *,
    seen: Callable[[], Split] | None = None,
    neighbours: int = 0,
    seed: int = 0,
) -> TeacherRows:
    """Computes the rows of all images, or reads them from files.

    All processes have to call this together; only the chief reads and writes.
    One process writes as it goes, and continues where it was interrupted.

    Args:
        teacher: The teacher.
        split: The N training images.
        path: The directory of the files, see `TeacherFiles`.
        processes: The processes that train together. None is this one.
        seen: Returns the same images as the teacher sees them, where `split`
            has fewer pixels. It is called only if rows are missing.
        neighbours: k; above 0, a target is the average of an image's row and
            those of its k nearest neighbours among the rows.
        seed: Random seed of the images that the whitening is fitted to.

    Raises:
        InputError: If there are fewer than D features or they are not finite,
            or a file cannot be written.
    """
    seen = seen or (lambda: split)
    processes = processes or ProcessGroup(teacher.trunk.distribute_strategy)
    files = TeacherFiles(path, _notes(teacher, split, seed))
    head, features = _head(teacher, seen, files, processes, seed)
    rows = np.zeros((split.size, teacher.dim), np.float32)
    done = files.read_rows(head, rows) if processes.chief else 0
    done = int(processes.from_chief(np.array([done], np.int64))[0])
    if done < split.size:
        parts = (
            _embedded(teacher, seen(), done, processes)
            if features is None
            else iter([features[done:]])
        )
        _compute(head, rows, done, parts, files, processes)
    rows = processes.from_chief(rows)
    if not neighbours:
        return TeacherRows(rows, head, rows)
    found = _neighbours(rows, neighbours, files, processes)
    return TeacherRows(rows, head, averaged(rows, found))


def _notes(teacher: Teacher, split: Split, seed: int) -> dict[str, Any]:
    """Returns all that the rows depend on."""
    return {
        "teacher": teacher.description,
        "image_size": teacher.image_size,
        "dim": teacher.dim,
        "power": teacher.power,
        "images": fingerprint(split),
        "seed": seed,
    }


def _head(
    teacher: Teacher,
    seen: Callable[[], Split],
    files: TeacherFiles,
    processes: ProcessGroup,
    seed: int,
) -> tuple[Head, np.ndarray | None]:
    """Reads the head, or fits it to images.

    Returns:
        The head, and the features [N, F] if they had to be computed for all
        images, else None.
    """
    head = files.read_head() if processes.chief else None
    known = np.array([head is not None], np.int32)
    features = None
    if not processes.from_chief(known)[0]:
        # A larger set is passed once more, after these of its images.
        split = seen()
        some = subset(split, FIT_IMAGES, seed)
        features = teacher.features(some, processes)
        # All processes fit, so that all of them raise what one raises.
        head = Head(*fit_whitening(features, teacher.dim, teacher.power))
        if processes.chief:
            files.write_head(head)
        if some.size < split.size:
            features = None
    if head is None:  # The chief has read one.
        empty = np.zeros(0), np.zeros((0, teacher.dim))
        head = Head(*(a.astype(np.float32) for a in empty))
    head = Head(*map(processes.from_chief, (head.mean, head.projection)))
    return head, features


def _embedded(
    teacher: Teacher, split: Split, first: int, processes: ProcessGroup
) -> Iterator[np.ndarray]:
    """Yields the features [n, F] of the images from number `first` on.

    One process passes the images once, part by part. Several take a share of
    all images each, so that their parts come together at the end only.
    """
    trunk, size = teacher.trunk, teacher.image_size
    if processes.size > 1:
        yield embed(trunk, split, size)[first:]
        return
    count = part_rows(teacher.dim, BATCH)
    with Counted(f"teacher on {split.name}", split.size, first) as progress:
        batches = _counted(clean_batches(split, size, BATCH, first), progress)
        for _ in range(first, split.size, count):
            some = itertools.islice(batches, count // BATCH)
            yield shared_embeddings(trunk, some, processes)[0]
        next(batches, None)  # Counts the last batch.


def _counted(batches: Iterable[tuple], progress: Counted) -> Iterator[tuple]:
    """Yields batches, and counts the images of each after it was used."""
    for batch in batches:
        yield batch
        progress.advance(len(batch[1]))


def _compute(
    head: Head,
    rows: np.ndarray,
    done: int,
    parts: Iterator[np.ndarray],
    files: TeacherFiles,
    processes: ProcessGroup,
) -> None:
    """Fills the rows from number `done` on, and writes them as it goes."""
    count = part_rows(rows.shape[1], BATCH)
    for features in parts:
        for start in range(0, len(features), count):
            found = head.rows(features[start : start + count])
            rows[done : done + len(found)] = found
            if processes.chief:
                files.write_rows(head, done, found)
            done += len(found)


def _neighbours(
    rows: np.ndarray, k: int, files: TeacherFiles, processes: ProcessGroup
) -> np.ndarray:
    """Reads or finds the k nearest neighbours of each row, int32 [N, k]."""
    mark, found = digest(rows), None
    if processes.chief:
        found = files.read_neighbours(mark, (len(rows), k))
    known = np.array([found is not None], np.int32)
    if processes.from_chief(known)[0]:
        empty = np.zeros((0, k), np.int32)
        return processes.from_chief(empty if found is None else found)
    found = nearest(
        rows, rows, k, exclude_self=True, processes=processes
    ).index.astype(np.int32)
    if processes.chief:
        files.write_neighbours(mark, found)
    return found
