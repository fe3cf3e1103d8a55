"""Defines the rows of embeddings that the formats' modules read and write."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Rows:
    """The rows to write, whose embeddings are given in parts.

    Attributes:
        count: The number of rows N.
        embedding_dim: The length D of an embedding.
        name: A function from the number of a row to its file_name.
        embeddings: A function that gives all embeddings from first to last,
            in parts float32 [m, D], each time it is called.
        labels: int64 [N], -1 if unlabelled; None if there are no labels.
        class_names: The name of each label, or None.
    """

    count: int
    embedding_dim: int
    name: Callable[[int], str]
    embeddings: Callable[[], Iterator[np.ndarray]]
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] | None = None

    def parts(self) -> Iterator[tuple[range, np.ndarray]]:
        """Yields the numbers of the rows and their embeddings in parts."""
        first = 0
        for embeddings in self.embeddings():
            yield range(first, first + len(embeddings)), embeddings
            first += len(embeddings)

    def named(
        self, numbers: range, text: Callable[[str], str] = str
    ) -> dict[str, Any]:
        """Returns the columns beside the embeddings, by their names.

        Args:
            numbers: The numbers of the rows.
            text: A function that each text goes through.
        """
        columns: dict[str, Any] = {
            "file_name": [text(self.name(row)) for row in numbers]
        }
        if self.labels is not None:
            columns["label"] = self.labels[numbers.start : numbers.stop]
            if self.class_names is not None:
                columns["class_name"] = [
                    text(name_of(row, self.labels, self.class_names))
                    for row in numbers
                ]
        return columns


@dataclasses.dataclass(frozen=True)
class Table:
    """The rows that were read from a file.

    Attributes:
        file_names: The N file names.
        embeddings: float32 [N, D].
        labels: int64 [N], -1 if unlabelled; None if there are no labels.
        class_names: The name of each label; None if there are no names. If
            the format stores names with the rows, the name of a label that no
            row has is "".
    """

    file_names: tuple[str, ...]
    embeddings: np.ndarray
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] | None = None

    def class_name(self, row: int) -> str:
        """Returns the name of a row's class, else its number, else ""."""
        return name_of(row, self.labels, self.class_names)


def name_of(
    row: int,
    labels: np.ndarray | None,
    class_names: tuple[str, ...] | None,
) -> str:
    """Returns the name of a row's class, else its number, else "".

    Args:
        row: The number of the row.
        labels: int64 [N], -1 if unlabelled; or None.
        class_names: The name of each label, or None.
    """
    if labels is None or labels[row] < 0:
        return ""
    return class_names[labels[row]] if class_names else str(labels[row])


def class_names_of(
    labels: np.ndarray, names: list[str]
) -> tuple[str, ...] | None:
    """Collects the name of each label from rows that have both.

    Args:
        labels: int64 [N], the label of each row, -1 if unlabelled.
        names: The N class names of the rows.

    Returns:
        The names by label, "" for a label that no row has.
    """
    known = dict(zip(labels.tolist(), names))
    return tuple(known.get(i, "") for i in range(max(known, default=-1) + 1))
