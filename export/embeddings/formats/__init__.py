"""Rows of embeddings: what every format holds, one module each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np


@dataclasses.dataclass(frozen=True)
class Rows:
    """What is to be written; the embeddings come a part at a time.

    Attributes:
        count: N.
        embedding_dim: D.
        name: The file_name of a row.
        embeddings: Gives them from first to last, each time it is called, as
            float32 [m, D].
        labels: int64 [N], or None.
        class_names: Name of each label, or None.
    """

    count: int
    embedding_dim: int
    name: Callable[[int], str]
    embeddings: Callable[[], Iterator[np.ndarray]]
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] | None = None

    def parts(self) -> Iterator[tuple[range, np.ndarray]]:
        """Gives the rows' numbers and embeddings [m, D], part after part."""
        first = 0
        for embeddings in self.embeddings():
            yield range(first, first + len(embeddings)), embeddings
            first += len(embeddings)


@dataclasses.dataclass(frozen=True)
class Table:
    """What was read.

    Attributes:
        file_names: N texts.
        embeddings: float32 [N, D].
        labels: int64 [N], -1 where unlabelled; None where there are none.
        class_names: Name of each label; "" for one that no row has, where
            the format stores names with the rows. None where there are none.
    """

    file_names: tuple[str, ...]
    embeddings: np.ndarray
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] | None = None

    def class_name(self, row: int) -> str:
        """The class of a row: its name, else its number, else nothing."""
        return name_of(row, self.labels, self.class_names)


def name_of(
    row: int,
    labels: np.ndarray | None,
    class_names: tuple[str, ...] | None,
) -> str:
    """The class of a row: its name, else its number, else nothing."""
    if labels is None or labels[row] < 0:
        return ""
    return class_names[labels[row]] if class_names else str(labels[row])


def class_names_of(
    labels: np.ndarray, names: list[str]
) -> tuple[str, ...] | None:
    """Name of each label, from rows that have both.

    Args:
        labels: int64 [N].
        names: N of them.
    """
    known = dict(zip(labels.tolist(), names))
    return tuple(known.get(i, "") for i in range(max(known, default=-1) + 1))
