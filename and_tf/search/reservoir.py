"""Keeps the k highest of numbers that come in blocks, in NumPy.

Sorting every block would cost more than the products that made it. But only
numbers that reach a bound can be among the k highest. The bound is the lowest
of any k known numbers, or a number that, by a random sample of the rows, the k
highest very likely reach. Comparing the bound with the maximum of each group of
rows shows which groups to look at. Numbers that reach the bound are stored,
and sorted when there is no more room.
"""

from __future__ import annotations

import math

import numpy as np

# A first bound is the k-th highest among LANES · k maxima, at least 64.
LANES = 4
# `rank_in_sample` allows for so many of the k highest numbers in a sample: this
# many standard deviations above the mean.
CAUTION = 2.5
# The cost of looking at a group, in comparisons of maxima. If many groups reach
# the bounds, it is cheaper to compare all of the block.
SCATTERED_COST = 20


class Reservoir:
    """The k highest similarities of Q queries among the rows seen so far.

    It takes 8 × room(k) bytes per query, and as much again while it sorts.

    Args:
        bounds: float32 [Q]; lower similarities are ignored. If a bound is
            above the k-th highest, `short` returns that query. With −inf for
            all queries, the first block gives the bounds.
        k: The number of similarities to keep for each query.
        offset: The position of the reservoir's first query in the blocks,
            which may have other queries before and after its own.
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
        """Adds a block of similarities with rows `first`, `first` + 1, ….

        Args:
            block: float32 [B, R], or [R, B] if `axis` is 1, in C order; B is
                at least offset + Q.
            maxima: float32 [B, n] or [n, B], each the maximum over rows r,
                r + n, …. None compares all of the block; see `many_reach`.
            first: The number of the block's first row.
            axis: The axis of the queries, 0 or 1.
        """
        if not self._bounded and maxima is not None:
            own = self._own(maxima, axis)
            self._bound = _bound(own if axis == 0 else own.T, self._k)
            self._bounded = True
        query, row, value = self._reaching(block, maxima, axis)
        if not self._fits(query):
            self._sort()
            query, row, value = self._reaching(block, maxima, axis)
        if not self._fits(query):  # Many rows are equal, or they are sorted.
            query, row, value = _highest(self._own(block, axis), self._k, axis)
            reaches = value >= self._bound[query]  # `short` relies on this.
            query, row, value = query[reaches], row[reaches], value[reaches]
        # Each number goes after those that its query already has.
        count = np.bincount(query, minlength=len(self._filled))
        start = np.arange(len(count)) * self._room + self._filled
        start -= np.cumsum(count) - count
        place = start[query] + np.arange(len(query))
        self._values.ravel()[place] = value
        self._index.ravel()[place] = row + first
        self._filled += count

    def short(self) -> np.ndarray:
        """Returns the queries with fewer than k rows that reach their bound.

        Returns:
            integer [n], ascending.
        """
        return np.flatnonzero(self._filled < self._k)

    def best(
        self, k: int, without: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the k highest, highest first, and the numbers of their rows.

        Args:
            k: The number of results, at most the reservoir's k, or one less
                with `without`.
            without: integer [Q], a row to leave out for each query, or None.

        Returns:
            float32 [Q, k] and int32 [Q, k]. `short` queries have fewer
            results, followed by −inf.
        """
        if without is not None:
            self._values[self._index == without[:, None]] = -np.inf
        self._sort()
        return self._values[:, :k], self._index[:, :k]

    def _reaching(
        self, block: np.ndarray, maxima: np.ndarray | None, axis: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Finds the numbers that reach the bounds, in the order of queries.

        Returns:
            The query, the row in the block and the value of each, [n].
        """
        found = self._found(block, maxima, axis)
        if axis == 0:
            return found
        order = np.argsort(found[0].astype(np.uint16), kind="stable")
        query, row, value = found
        return query.take(order), row.take(order), value.take(order)

    def _found(
        self, block: np.ndarray, maxima: np.ndarray | None, axis: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Finds the same as `_reaching`, in the order of the block's memory.

        That order keeps successive reads close together, which saves a third
        of the time if the rows are on the block's first axis.
        """
        # Flat places, because NumPy is slow at indexing by two arrays.
        flat, width, offset = block.ravel(), block.shape[1], self._span.start
        per_query, per_row = (width, 1) if axis == 0 else (1, width)
        if maxima is None or _many(reaches := self._reach(maxima, axis)):
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
        """Selects the own queries' part of numbers, [B, n] or [n, B]."""
        return numbers[self._span] if axis == 0 else numbers[:, self._span]

    def _reach(self, numbers: np.ndarray, axis: int) -> np.ndarray:
        """Tests which of the own queries' numbers reach the bounds, bool."""
        own = self._own(numbers, axis)
        return own >= np.expand_dims(self._bound, 1 - axis)

    def _fits(self, query: np.ndarray) -> bool:
        """Returns whether each entry of `query` has room for its number."""
        count = np.bincount(query, minlength=len(self._filled))
        return (self._filled + count).max() <= self._room

    def _sort(self) -> None:
        """Keeps the k highest, highest first, and raises the bounds to them."""
        width = max(self._k, self._filled.max())  # All after it is −inf.
        order = np.argsort(-self._values[:, :width], axis=1)[:, : self._k]
        for kept in (self._values, self._index):
            kept[:, : self._k] = np.take_along_axis(kept, order, axis=1)
        self._values[:, self._k :] = -np.inf
        np.minimum(self._filled, self._k, out=self._filled)
        np.maximum(self._bound, self._values[:, self._k - 1], out=self._bound)


def room(k: int) -> int:
    """Returns how many numbers per query are stored before sorting."""
    return 3 * k + 16


def rank_in_sample(k: int, size: int, count: int) -> int:
    """Returns a rank r in a random sample that the k highest likely reach.

    A sample of m contains about μ = k·m/N of the k highest of N numbers, with a
    standard deviation below √μ. With r a little above μ + 2.5 √μ, the sample's
    r-th highest is not above the k-th highest of all, except for one or two
    queries of a hundred; and about r·N/m of all numbers reach it.

    Args:
        k: The number of highest numbers, at least 1.
        size: m, the size of the sample.
        count: N, the number of all numbers, at least m.

    Returns:
        r, at most k. The k highest certainly reach rank k.
    """
    mean = k * size / count
    return min(k, math.ceil(mean + CAUTION * math.sqrt(mean)) + 1)


def many_reach(k: int, size: int, count: int, group: int) -> bool:
    """Returns whether too many groups reach the bounds for maxima to be useful.

    Args:
        k, size, count: See `rank_in_sample`, which gives the bounds.
        group: The number of rows in a group.
    """
    rank = rank_in_sample(k, size, count)
    return rank < k and rank * group * SCATTERED_COST > size


def _many(reaches: np.ndarray) -> bool:
    """Returns whether so many groups reach that all of a block is compared."""
    return bool(np.count_nonzero(reaches) * SCATTERED_COST > reaches.size)


def _where(mask: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Finds where a mask is true: places on `axis`, and on the other axis."""
    place = np.flatnonzero(mask)
    major = place // mask.shape[1]  # This is much faster than `divmod`.
    minor = place - major * mask.shape[1]
    return (major, minor) if axis == 0 else (minor, major)


def _bound(maxima: np.ndarray, k: int) -> np.ndarray:
    """Returns a lower bound of each query's k-th highest, float32 [Q].

    It is the k-th highest among maxima of different rows. If there are more
    maxima than needed, some are combined first.

    Args:
        maxima: float32 [Q, n], the maxima of groups of rows.
        k: The number of highest numbers, at least 1.
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
    """Finds the k highest numbers of each query, in the order of queries.

    Returns:
        The query, the row in the block and the value of each, [n].
    """
    block = block if axis == 0 else block.T
    k = min(k, block.shape[1])
    rows = np.argpartition(block, -k, axis=1)[:, -k:]
    values = np.take_along_axis(block, rows, axis=1)
    return np.repeat(np.arange(len(block)), k), rows.ravel(), values.ravel()
