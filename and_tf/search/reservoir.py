"""The k highest of numbers that come a block at a time, kept in NumPy.

Sorting every block would cost more than the products that made it. But only
what reaches a bound can be among the k highest: the lowest of some k numbers
that are known, or what a random sample of the rows makes very likely. A
comparison with the maximum of each group of rows says where to look. What
reaches is put down, and sorted once there is no more room.
"""

from __future__ import annotations

import math

import numpy as np

# Maxima among which a first bound is looked for, for each of k.
LANES = 4
# How far above its mean, in standard deviations, the number of the k highest
# that are in a sample is reckoned with.
CAUTION = 2.5
# What looking at a group costs, in maxima that are compared: by it all of a
# block is compared where many groups reach the bounds.
SCATTERED_COST = 20


class Reservoir:
    """The k highest of each of Q queries among the rows seen so far.

    Takes 8 × room(k) bytes a query, and as much again while it sorts.

    Args:
        bounds: float32 [Q], what is below need not be looked at. If these
            are above the k-th highest after all, `short` says so. −inf: the
            first rows that come say more.
        k: How many of each are wanted.
        offset: The place of its first query in blocks, which may have others
            before and behind its own.
    """

    def __init__(self, bounds: np.ndarray, k: int, offset: int = 0) -> None:
        queries = len(bounds)
        self._span = slice(offset, offset + queries)
        self._k, self._room = k, room(k)
        self._values = np.full([queries, self._room], -np.inf, np.float32)
        self._index = np.zeros([queries, self._room], np.int32)
        self._filled = np.zeros(queries, np.intp)
        self._bound = np.array(bounds, np.float32)
        self._bounded = bool(np.isfinite(self._bound).any())

    def add(
        self,
        block: np.ndarray,
        maxima: np.ndarray | None,
        first: int,
        axis: int,
    ) -> None:
        """Looks through similarities with rows `first`, `first` + 1, ….

        Args:
            block: float32 [B, R], or [R, B] where `axis` is 1, in the order
                of C; B is at least offset + Q.
            maxima: float32 [B, n] or [n, B], of the rows r, r + n, … each;
                None where `many_reach`: all of the block is compared.
            first: Number of the block's first row.
            axis: Which the queries are on.
        """
        if not self._bounded and maxima is not None:
            own = self._own(maxima, axis)
            self._bound = _bound(own if axis == 0 else own.T, self._k)
            self._bounded = True
        query, row, value = self._reaching(block, maxima, axis)
        if not self._fits(query):
            self._sort()
            query, row, value = self._reaching(block, maxima, axis)
        if not self._fits(query):  # Many equals, or rows in some order.
            query, row, value = _highest(self._own(block, axis), self._k, axis)
            reaches = value >= self._bound[query]  # Or `short` could not tell.
            query, row, value = query[reaches], row[reaches], value[reaches]
        # Behind what there is of a query, one after another.
        count = np.bincount(query, minlength=len(self._filled))
        start = np.arange(len(count)) * self._room + self._filled
        start -= np.cumsum(count) - count
        place = start[query] + np.arange(len(query))
        self._values.ravel()[place] = value
        self._index.ravel()[place] = row + first
        self._filled += count

    def short(self) -> np.ndarray:
        """Queries of which fewer than k rows reached the bound, ascending."""
        return np.flatnonzero(self._filled < self._k)

    def best(
        self, k: int, without: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k highest, highest first, and the numbers of their rows.

        Args:
            k: How many, one less where a row is left out.
            without: integer [Q], a row that is no result of each query.

        Returns:
            float32 [Q, k] and int32 [Q, k]; of `short` queries fewer, then
            −inf.
        """
        if without is not None:
            self._values[self._index == without[:, None]] = -np.inf
        self._sort()
        return self._values[:, :k], self._index[:, :k]

    def _reaching(
        self, block: np.ndarray, maxima: np.ndarray | None, axis: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Queries, in order, rows and values of what reaches the bounds."""
        found = self._found(block, maxima, axis)
        if axis == 0:
            return found
        order = np.argsort(found[0].astype(np.uint16), kind="stable")
        return tuple(numbers.take(order) for numbers in found)

    def _found(
        self, block: np.ndarray, maxima: np.ndarray | None, axis: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `_reaching`, but in the order of the block's memory.

        What is looked at is then as near as can be to what was before, which
        takes a third off where rows come first.
        """
        # Flat places, since NumPy is slow to take by two indices.
        flat, width, offset = block.ravel(), block.shape[1], self._span.start
        per_query, per_row = (width, 1) if axis == 0 else (1, width)
        reaches = None if maxima is None else self._reach(maxima, axis)
        if reaches is None or _many(reaches):
            query, row = _where(self._reach(block, axis), axis)
            place = (query + offset) * per_query + row * per_row
            return query, row, flat.take(place)
        query, group = _where(reaches, axis)
        groups = maxima.shape[1 - axis]
        size = block.shape[1 - axis] // groups
        place = (query + offset) * per_query + group * per_row
        place = place[:, None] + np.arange(size) * (groups * per_row)
        value = flat.take(place)  # [hits, size]
        found = np.flatnonzero(value >= self._bound.take(query)[:, None])
        hit = found // size
        row = group.take(hit) + (found - hit * size) * groups
        return query.take(hit), row, value.ravel().take(found)

    def _own(self, numbers: np.ndarray, axis: int) -> np.ndarray:
        """Those of numbers, [B, n] or [n, B], that are its own queries'."""
        return numbers[self._span] if axis == 0 else numbers[:, self._span]

    def _reach(self, numbers: np.ndarray, axis: int) -> np.ndarray:
        """Whether its own of numbers, [B, n] or [n, B], reach the bounds."""
        own = self._own(numbers, axis)
        return own >= np.expand_dims(self._bound, 1 - axis)

    def _fits(self, query: np.ndarray) -> bool:
        """Whether there is room for one more of each of these."""
        count = np.bincount(query, minlength=len(self._filled))
        return (self._filled + count).max() <= self._room

    def _sort(self) -> None:
        """Keeps the k highest, highest first, and has bounds from them."""
        width = max(self._k, self._filled.max())  # Behind it all is −inf.
        order = np.argsort(-self._values[:, :width], axis=1)[:, : self._k]
        for kept in (self._values, self._index):
            kept[:, : self._k] = np.take_along_axis(kept, order, axis=1)
        self._values[:, self._k :] = -np.inf
        np.minimum(self._filled, self._k, out=self._filled)
        np.maximum(self._bound, self._values[:, self._k - 1], out=self._bound)


def room(k: int) -> int:
    """How many numbers of a query are put down before they are sorted."""
    return 3 * k + 16


def rank_in_sample(k: int, size: int, count: int) -> int:
    """The rank r in a random sample that all of the k highest reach, likely.

    Of the k highest of N numbers, a sample of m has about μ = k·m/N, with a
    standard deviation below √μ. With r a little above μ + 2.5 √μ, the sample's
    r-th highest is at or below the k-th of all, but for a query or two of a
    hundred; and about r·N/m of all numbers reach it.

    Args:
        k: At least 1.
        size: m.
        count: N, at least m.

    Returns:
        r; k at most, which is certain.
    """
    mean = k * size / count
    return min(k, math.ceil(mean + CAUTION * math.sqrt(mean)) + 1)


def many_reach(k: int, size: int, count: int, group: int) -> bool:
    """Whether too many groups reach the bounds for maxima to be of use.

    Args:
        k, size, count: See `rank_in_sample`, whose bounds are meant.
        group: Rows that a maximum is of.
    """
    rank = rank_in_sample(k, size, count)
    return rank < k and rank * group * SCATTERED_COST > size


def _many(reaches: np.ndarray) -> bool:
    """Whether so many groups reach that all of a block is compared."""
    return np.count_nonzero(reaches) * SCATTERED_COST > reaches.size


def _where(mask: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Where a mask is true: places on `axis`, and on the other."""
    place = np.flatnonzero(mask)
    major = place // mask.shape[1]  # Much faster than `divmod`.
    minor = place - major * mask.shape[1]
    return (major, minor) if axis == 0 else (minor, major)


def _bound(maxima: np.ndarray, k: int) -> np.ndarray:
    """What the k-th highest of each query is not below, float32 [Q].

    It is the k-th highest among maxima of different rows, some of which are
    put together where there are more than it takes.

    Args:
        maxima: float32 [Q, n].
        k: At least 1.
    """
    queries, count = maxima.shape
    lanes = min(max(LANES * k, 64), count)
    if k > lanes:
        return np.full(queries, -np.inf, np.float32)
    whole = maxima[:, : count // lanes * lanes]
    fewer = whole.reshape(queries, -1, lanes).max(1)
    return np.partition(fewer, lanes - k, axis=1)[:, lanes - k]


def _highest(
    block: np.ndarray, k: int, axis: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Queries, in order, rows and values of the k highest of each."""
    block = block if axis == 0 else block.T
    k = min(k, block.shape[1])
    rows = np.argpartition(block, -k, axis=1)[:, -k:]
    values = np.take_along_axis(block, rows, axis=1)
    return np.repeat(np.arange(len(block)), k), rows.ravel(), values.ravel()
