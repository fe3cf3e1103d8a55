"""Groups of images that show the same picture, and what each image is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np

from and_tf.exploring import duplicates
from and_tf.exploring.kept_copies import Copy
from export.beam import measures_table
from export.beam.compared_files import Pair, dictionary
from export.beam.row_numbers import NAME, SharedNumbers


class Group(NamedTuple):
    """A group of images that show the same picture.

    Attributes:
        number: Its number.
        members: The numbers of its rows, ascending.
        copies: The pairs of copies among them.
    """

    number: int
    members: tuple[int, ...]
    copies: tuple[tuple[Pair, Copy], ...]


class Grouped(beam.DoFn):
    """Makes groups of all pairs.

    Args:
        numbers: The numbers of the rows.
    """

    def __init__(self, numbers: SharedNumbers) -> None:
        self._shared = numbers

    def process(
        self, _: None, found: list[tuple[Pair, Copy]]
    ) -> Iterator[Group]:
        """Yields the groups."""
        alike = self._shared.get().alike
        known = dictionary(found)
        group = duplicates.grouped(alike, known)
        members: dict[int, list[int]] = {}
        for row in np.flatnonzero(group >= 0).tolist():
            members.setdefault(int(group[row]), []).append(row)
        within: dict[int, list[tuple[Pair, Copy]]] = {n: [] for n in members}
        for (first, second), copy in known.items():
            if group[first] == group[second] >= 0:
                within[int(group[first])].append(((first, second), copy))
        for number, rows in members.items():
            yield Group(number, tuple(rows), tuple(within[number]))


def places(
    group: Group, shared: SharedNumbers
) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yields the file, the group and the row of each member."""
    shard = shared.get().shard
    for row in group.members:
        yield int(shard[row]), (group.number, row)


class Members(measures_table.Reading):
    """Reads the rows that are in groups."""

    def process(
        self, element: tuple[int, Iterable[tuple[int, int]]]
    ) -> Iterator[tuple[int, tuple[int, dict[str, Any]]]]:
        """Yields the group, the number and the measures of each row."""
        place, rows = element
        group_of = {row: group for group, row in rows}
        number = self.numbers.get().number
        for row in self.rows(place):
            if (found := number[row[NAME]]) in group_of:
                yield group_of[found], (found, row)


def described(element: tuple[int, Any]) -> Iterator[dict[str, Any]]:
    """Yields the rows of a group: what each is to the one to keep."""
    number, joined = element
    ((_, members, found),) = joined["group"]
    rows = dict(joined["rows"])
    measured = measures_table.measured_of([rows[row] for row in members])
    place = {row: i for i, row in enumerate(members)}
    known = {
        (place[first], place[second]): Copy(*copy)
        for (first, second), copy in found
    }
    described = duplicates.described(
        measured,
        np.zeros(len(members), np.int64),
        duplicates.Relations(
            measured, duplicates.first_of_equal(measured.pixels_sha256), known
        ),
    )
    for name, kind, keep in zip(
        measured.file, described.kind, described.keep.tolist(), strict=True
    ):
        yield {"group": number, NAME: name, "kind": kind or None, "keep": keep}
