"""Groups duplicates, says what each is to the one to keep, and finds leaks."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TextIO

import numpy as np

from and_tf.evaluation import duplicate_groups
from and_tf.exploring import copies, hashes, kinds
from and_tf.exploring.kept_copies import Copies, Copy
from and_tf.exploring.measured import Measured
from and_tf.exploring.stages import Stages

_EQUAL = Copy(2.0)  # Rows of equal pixels are surer than any others.


class Duplicates(NamedTuple):
    """The groups of images that show the same picture.

    Attributes:
        group: int64 [N], the group of each row, or −1.
        kind: What each row is to the one to keep of its group, a word of
            `kinds`; "" for that one itself and for rows without a group.
        keep: bool [N], False for the rows to drop.
        relations: The relations between rows that are copies of each other.
    """

    group: np.ndarray
    kind: tuple[str, ...]
    keep: np.ndarray
    relations: Relations


class Leak(NamedTuple):
    """An image that is in the reference, too.

    Attributes:
        row: The row of the image.
        reference: The row of the reference.
        kind: What the image is to the reference, a word of `kinds`.
    """

    row: int
    reference: int
    kind: str


class Relations:
    """The ways in which rows are copies of each other.

    Args:
        measured: The N images.
        alike: int64 [N], for each row the first one of equal pixels.
        found: The pairs of copies among these first ones.
    """

    def __init__(
        self, measured: Measured, alike: np.ndarray, found: Copies
    ) -> None:
        self._measured = measured
        self._alike = alike
        self._copies = dict(found)

    def agreement(self, row: int, other: int) -> float:
        """Returns how well two rows agree; 0 if they are no known pair."""
        if self._same_pixels(row, other):
            return _EQUAL.agreement
        copy = self._known(row, other)
        return 0.0 if copy is None else copy.agreement

    def kind(self, row: int, kept: int) -> str:
        """Returns what a row is to another one, both of one group."""
        if self._same_pixels(row, kept):
            return kinds.equal(self._measured, row, kept)
        copy = self._known(kept, row)
        if copy is None:
            # Both are copies of a third image, perhaps two parts of it.
            copy = copies.compare(self._measured, kept, row)
        if copy is None:
            return kinds.CROPPED
        return kinds.of_copy(self._measured, row, kept, copy)

    def _same_pixels(self, row: int, other: int) -> bool:
        digests = self._measured.pixels_sha256
        return digests[row] == digests[other]

    def _known(self, row: int, other: int) -> Copy | None:
        """Returns how the first of two rows becomes the second."""
        first, second = int(self._alike[row]), int(self._alike[other])
        if (copy := self._copies.get((first, second))) is not None:
            return copy
        if (copy := self._copies.get((second, first))) is not None:
            return copy._replace(orientation=hashes.inverse(copy.orientation))
        return None

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Yields pairs of rows of different pixels that are copies.

        Of many rows of equal pixels, see `crossed`.
        """
        rows: dict[int, list[int]] = {}
        for row, first in enumerate(self._alike.tolist()):
            rows.setdefault(first, []).append(row)
        for one, two in self._copies:
            yield from crossed(rows[one], rows[two])


def find(
    measured: Measured,
    nearest: np.ndarray,
    apart: np.ndarray | None = None,
    stream: TextIO | None = None,
    stages: Stages | None = None,
) -> Duplicates:
    """Finds the images that show the same picture.

    A group has one image that all others are copies of, see
    `duplicate_groups`. Of a group, the row to keep is one that is in the
    reference, is no link and is not truncated; then the one with most pixels,
    with EXIF data of date and place, with most bytes, and with the first path,
    in this order. Rows of the reference are always kept.

    Args:
        measured: The N images.
        nearest: integer [N, k], the nearest neighbours of each row, the most
            similar first.
        apart: int64 [A, 2], pairs of rows that the user knows to be different.
        stream: Where the progress is shown; None is standard error.
        stages: What keeps the comparisons; None keeps nothing.
    """
    alike = first_of_equal(measured.pixels_sha256, apart)
    rows = np.unique(alike)
    found = copies.find(measured, rows, alike[nearest[rows]], stream, stages)
    if apart is not None:
        found |= _equal(measured, rows)
    group = grouped(alike, found, apart)
    return described(measured, group, Relations(measured, alike, found))


def grouped(
    alike: np.ndarray, found: Copies, apart: np.ndarray | None = None
) -> np.ndarray:
    """Groups rows by the pairs that are copies of each other.

    Args:
        alike: int64 [N], see `first_of_equal`.
        found: The pairs of copies among the first ones of equal pixels.
        apart: int64 [A, 2], pairs of rows that are no copies.

    Returns:
        int64 [N], the group of each row, or −1.
    """
    rows, node = np.unique(alike, return_inverse=True)
    if apart is not None:
        apart = node[np.asarray(apart, np.int64).reshape(-1, 2)]
    pairs = np.array(list(found), np.int64).reshape(-1, 2)
    strength = np.array([copy.agreement for copy in found.values()])
    group = duplicate_groups.group(
        np.searchsorted(rows, pairs), apart, len(rows), strength
    )[node]
    return _with_equal_rows(group, node)


def crossed(
    first: Sequence[int], second: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Yields the pairs of rows of two lists, in the order of the first.

    Each row is in a pair. Of the rows behind the first `copies.MOST_PAIRS` of
    both lists, not all are paired with each other: a picture may be there ten
    thousand times.
    """
    for place, row in enumerate(first):
        rows = (
            second if place < copies.MOST_PAIRS else second[: copies.MOST_PAIRS]
        )
        yield from ((row, other) for other in rows)


def leaks(measured: Measured, found: Duplicates) -> list[Leak]:
    """Finds the images that are in the reference, too.

    Args:
        measured: The images of both folders.
        found: Their duplicates.

    Returns:
        For each such image the reference that it agrees with most.
    """
    pairs: set[tuple[int, int]] = set()
    for members in _members(found.group):
        theirs = [row for row in members if measured.is_reference[row]]
        own = [row for row in members if not measured.is_reference[row]]
        pairs |= set(crossed(own, theirs))
    for row, other in found.relations.pairs():
        if measured.is_reference[row] != measured.is_reference[other]:
            both = (other, row) if measured.is_reference[row] else (row, other)
            pairs.add(both)
    best: dict[int, tuple[float, int]] = {}
    for row, other in sorted(pairs):
        agreement = found.relations.agreement(row, other)
        if row not in best or agreement > best[row][0]:
            best[row] = agreement, other
    return [
        Leak(row, other, found.relations.kind(row, other))
        for row, (_, other) in sorted(best.items())
    ]


def first_of_equal(
    digests: Sequence[str], apart: np.ndarray | None = None
) -> np.ndarray:
    """Returns the first row of equal pixels for each row, int64 [N].

    Rows that are to be apart from others stand for themselves.

    Args:
        digests: The hash of each row's pixels.
        apart: int64 [A, 2], pairs of rows.
    """
    alone = set() if apart is None else set(np.asarray(apart).ravel().tolist())
    first: dict[str, int] = {}
    return np.array([
        row if row in alone else first.setdefault(digest, row)
        for row, digest in enumerate(digests)
    ], np.int64)  # fmt: skip


def _equal(measured: Measured, rows: np.ndarray) -> Copies:
    """Returns the pairs of equal pixels among rows that stand for themselves.

    Each is paired with the first ones of its kind only, which is enough for
    them to have a centre.
    """
    by_digest: dict[str, list[int]] = {}
    pairs: Copies = {}
    for row in rows.tolist():
        others = by_digest.setdefault(measured.pixels_sha256[row], [])
        pairs |= {(other, row): _EQUAL for other in others}
        others.append(row)
    return pairs


def _with_equal_rows(group: np.ndarray, node: np.ndarray) -> np.ndarray:
    """Makes groups of rows of equal pixels too, and numbers all by rows."""
    several = np.bincount(node)[node] > 1
    own = np.where(group >= 0, group, len(group) + node)
    chosen = (group >= 0) | several
    result = np.full(len(group), duplicate_groups.NONE, np.int64)
    numbers: dict[int, int] = {}
    for row in np.flatnonzero(chosen).tolist():
        result[row] = numbers.setdefault(int(own[row]), len(numbers))
    return result


def _members(group: np.ndarray) -> list[list[int]]:
    """Returns the rows of each group."""
    members: dict[int, list[int]] = {}
    for row in np.flatnonzero(group >= 0).tolist():
        members.setdefault(int(group[row]), []).append(row)
    return list(members.values())


def described(
    measured: Measured, group: np.ndarray, relations: Relations
) -> Duplicates:
    """Chooses the rows to keep, and says what the others are to them.

    Args:
        measured: The N images.
        group: int64 [N], the group of each row, or −1.
        relations: How they are copies of each other.
    """
    keep = np.ones(len(measured), bool)
    kind = [""] * len(measured)
    for members in _members(group):
        kept = min(members, key=functools.partial(_rank, measured))
        for row in members:
            if row != kept:
                keep[row] = measured.is_reference[row]
                kind[row] = relations.kind(row, kept)
    return Duplicates(group, tuple(kind), keep, relations)


def _rank(measured: Measured, row: int) -> tuple[object, ...]:
    """Returns a key that is lowest for the row to keep."""
    return (
        not measured.is_reference[row],
        # Whoever deleted a link's target would lose both.
        bool(measured.is_link[row]),
        bool(measured.truncated[row]),
        -int(measured.width[row] * measured.height[row]),
        -bool(measured.taken[row]) - bool(measured.has_place[row]),
        -int(measured.file_bytes[row]),
        measured.file[row],
    )
