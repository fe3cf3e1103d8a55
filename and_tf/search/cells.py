"""Searches a bank approximately, each row in the cells that are nearest to it.

k-means divides the rows into cells. The neighbours of a row are searched in the
cells whose centres are nearest to it, with probes / cells of the products of an
exact search. Libraries for such an index return neighbours alone, but equation
5 is a sum over all rows. Here the rows of the searched cells are added exactly,
and those of all other cells are estimated from a random sample of the rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from and_tf.distribution.process_group import ProcessGroup
from and_tf.search.lloyd import Lloyd
from and_tf.search.nearest import SHARED, Nearest, nearest
from and_tf.search.products import full_precision
from and_tf.utils.errors import InputError

# There are this many times √N cells. Then about as many products are taken
# with centres as with the rows of a few cells.
CELLS = 4
FITTED = 64  # The number of rows for each cell that k-means sees, at most.
ITERATIONS = 10  # Cells need not be the best; their rows are compared anyway.
# Rows in the sample for the entropies. Among 45,000 embeddings, their mean
# error was 0.007 to 0.014 nats.
SAMPLE = 16384
ASKED = 1000  # The number of rows whose recall is measured.
QUERIES = 2048  # The number of queries that are compared with all centres.
# The bytes for what the probes of queries find, unless `QUERIES` need more.
STATE_BYTES = 2**29
PRODUCTS = 2**24  # The most products that are computed at once.


def nearest_in_cells(
    rows: np.ndarray | tf.Tensor,
    k: int,
    probes: int,
    *,
    temperature: float,
    seed: int | tuple[int, ...] = 0,
    processes: ProcessGroup | None = None,
) -> Nearest:
    """Finds about the k rows most similar to each row, and its entropy.

    The similarities that are returned are exact, and the neighbours are those
    of `and_tf.nearest` as far as they lie in the cells that are searched. With
    as many probes as cells, all is exact.

    An entropy is log Z − U / Z, with Z = Σ_j exp(l_ij), U = Σ_j exp(l_ij) l_ij
    and l_ij = row_i · row_j / τ. Of both sums, the estimates have the right
    expectation.

    Besides the arguments and the result, it needs another copy of the rows,
    and about `STATE_BYTES` for what the probes find.

    Args:
        rows: float32 [N, D], the queries and the rows to search among, of
            about unit norm.
        k: The number of neighbours, at most N − 1, as a row is none of its own.
        probes: The number of cells that are searched for each row. There are
            4 √N cells; more probes than cells are as many as cells.
        temperature: τ of the entropies (equation 5).
        seed: Random seed of the cells and of the sample.
        processes: The processes whose devices share the queries. None searches
            on TensorFlow's default device.

    Returns:
        Similarities, row indices and entropies; see `Nearest`.

    Raises:
        InputError: If k or the number of probes is out of range.

    Examples:
        >>> import numpy as np
        >>> from and_tf.search.cells import nearest_in_cells
        >>> rng = np.random.default_rng(0)
        >>> rows = rng.normal(size=(1000, 8))
        >>> rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        >>> found = nearest_in_cells(rows, k=1, probes=16, temperature=0.1)
        >>> found.index.shape, found.entropy.shape
        ((1000, 1), (1000,))
    """
    rows = tf.convert_to_tensor(rows, tf.float32)
    most = rows.shape[0] - 1
    if not 1 <= k <= most:
        raise InputError(
            f"Expected a number of neighbours from 1 to {most}, the samples "
            f"there are to choose from. Received: {k}."
        )
    if probes < 1:
        raise InputError(
            f"Expected a number of cells to search of at least 1. Received: "
            f"{probes}."
        )
    with full_precision():
        index = _Index(rows, np.random.default_rng(seed))

        def search(starts: Sequence[int]) -> tuple[np.ndarray, ...]:
            span = range(starts[0], min(starts[-1] + SHARED, rows.shape[0]))
            return index.search(span, k, probes, temperature)

        starts = range(0, rows.shape[0], SHARED)
        if processes and not processes.alone:
            return Nearest(*processes.share(search, starts))
        return Nearest(*search(starts))


def recall(
    rows: np.ndarray | tf.Tensor,
    index: np.ndarray,
    *,
    seed: int | tuple[int, ...] = 0,
    processes: ProcessGroup | None = None,
) -> float:
    """Measures which share of the nearest neighbours a search has found.

    At most `ASKED` random rows are searched for exactly.

    Args:
        rows: float32 [N, D], which were searched.
        index: integer [N, k], the neighbours that were found, without the row
            itself.
        seed: Random seed of the rows that are asked.
        processes: See `nearest_in_cells`.

    Returns:
        The mean share of a row's k nearest neighbours that are in `index`.
    """
    rows = tf.convert_to_tensor(rows, tf.float32)
    count, k = index.shape
    generator = np.random.default_rng(seed)
    asked = generator.choice(count, min(count, ASKED), replace=False)
    exact = nearest(tf.gather(rows, asked), rows, k + 1, processes=processes)
    # Each finds itself, too, or k others that are just as near.
    others = exact.index != asked[:, None]
    others[others.all(axis=1), -1] = False
    wanted = exact.index[others].reshape(-1, k)
    found = (wanted[:, :, None] == index[asked][:, None, :]).any(axis=2)
    return float(found.mean())


def number_of_cells(count: int) -> int:
    """Returns the number of cells of `count` rows."""
    return min(count, max(1, round(CELLS * math.sqrt(count))))


class _Index:
    """Rows in the order of their cells, and a sample of them.

    Args:
        rows: float32 [N, D].
        generator: The source of random numbers.
    """

    def __init__(self, rows: tf.Tensor, generator: np.random.Generator) -> None:
        count = rows.shape[0]
        self._rows = rows
        self._centres = _centres(rows, generator)
        self._cells = self._centres.shape[0]
        assigned = np.concatenate(
            [
                _closest(rows[i : i + QUERIES], self._centres, 1).numpy()[:, 0]
                for i in range(0, count, QUERIES)
            ]
        )
        self._order = np.argsort(assigned, kind="stable")
        self._place = np.empty(count, np.int64)  # The inverse of `_order`.
        self._place[self._order] = np.arange(count)
        self._sorted = tf.gather(rows, self._order)
        bounds = np.arange(self._cells + 1)
        self._first = np.searchsorted(assigned[self._order], bounds)
        sampled = generator.choice(count, min(count, SAMPLE), replace=False)
        self._sample = tf.gather(rows, np.sort(sampled))
        # A row of the sample stands for this many rows. What is searched is
        # counted exactly, and so without the sample's share of it.
        self._share = count / len(sampled)
        weights = np.ones(count, np.float32)
        weights[self._place[sampled]] -= self._share
        self._weights = tf.constant(weights)

    def search(
        self,
        span: range,
        k: int,
        probes: int,
        temperature: float,
    ) -> tuple[np.ndarray, ...]:
        """Searches for the rows of `span`; see `nearest_in_cells`."""
        probes = min(probes, self._cells)
        step = max(QUERIES, STATE_BYTES // (8 * probes * k))
        parts = [
            self._search(span[i : i + step], k, probes, temperature)
            for i in range(0, len(span), step)
        ]
        return tuple(np.concatenate(arrays) for arrays in zip(*parts))

    def _search(
        self,
        span: range,
        k: int,
        probes: int,
        temperature: float,
    ) -> tuple[np.ndarray, ...]:
        queries = self._rows[span.start : span.stop]
        own = self._place[span.start : span.stop]
        probed = self._probed(queries, probes)
        found = _Found(len(span), probes, k)
        scale = tf.constant(1 / temperature)
        for cell, slots in _by_cell(probed, self._cells):
            places = slice(self._first[cell], self._first[cell + 1])
            for part in _parts(slots, places.stop - places.start):
                who = part // probes
                args = tf.gather(queries, who), own[who], scale, k
                found.add(part, *self._scan(places, *args))
        similarity, place = found.best()
        missing = np.flatnonzero(np.isinf(similarity[:, -1]))
        # Their cells have too few rows, so all are searched.
        for part in _parts(missing, len(self._order)):
            args = tf.gather(queries, part), own[part], scale, k
            similarity[part], place[part], _ = self._scan(slice(None), *args)
        index = self._order[place].astype(np.int32)
        return similarity, index, self._entropies(queries, found.sums, scale)

    def _probed(self, queries: tf.Tensor, probes: int) -> np.ndarray:
        """Returns the cells to search for each query, int32 [Q, probes]."""
        return np.concatenate(
            [
                _closest(queries[i : i + QUERIES], self._centres, probes)
                for i in range(0, queries.shape[0], QUERIES)
            ]
        )

    def _entropies(
        self, queries: tf.Tensor, sums: np.ndarray, scale: tf.Tensor
    ) -> np.ndarray:
        """Adds the sample to the sums [2, Q]; returns entropies [Q]."""
        ones = tf.fill([self._sample.shape[0]], np.float32(self._share))
        for i in range(0, queries.shape[0], QUERIES):
            part = queries[i : i + QUERIES]
            products = tf.matmul(part, self._sample, transpose_b=True)
            sums[:, i : i + QUERIES] += _sums(part, products, ones, scale)
        # The estimate of few rows that are far away may be below 0, but a
        # row's own term is 1.
        mass = np.maximum(sums[0], 1.0)
        return np.maximum(np.log(mass) - sums[1] / mass, 0).astype(np.float32)

    def _scan(
        self,
        places: slice,
        queries: tf.Tensor,
        own: np.ndarray,
        scale: tf.Tensor,
        k: int,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Searches some places for queries [q, D]; see `_scanned`."""
        return _scanned(
            queries,
            tf.constant(own),
            self._sorted[places],
            self._weights[places],
            tf.constant(places.start or 0, tf.int64),
            scale,
            k,
        )


class _Found:
    """The neighbours and sums that the probes of some queries have found.

    Args:
        count: Q, the number of queries.
        probes: The number of probes of a query.
        k: The number of neighbours.

    Attributes:
        sums: float64 [2, Q], Z and U over the rows of the cells searched.
    """

    def __init__(self, count: int, probes: int, k: int) -> None:
        self._probes, self._k = probes, k
        shape = (count * probes, k)
        self._similarity = np.full(shape, -np.inf, np.float32)
        self._place = np.zeros(shape, np.int32)
        self.sums = np.zeros((2, count))

    def add(
        self,
        slots: np.ndarray,
        similarity: tf.Tensor,
        place: tf.Tensor,
        sums: tf.Tensor,
    ) -> None:
        """Adds the results of one cell for the probes `slots`, int64 [n]."""
        self._similarity[slots] = similarity
        self._place[slots] = place
        # A query probes a cell once, so that no number occurs twice.
        self.sums[:, slots // self._probes] += sums

    def best(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the k highest similarities of each query, and places."""
        shape = (-1, self._probes * self._k)
        similarity = self._similarity.reshape(shape)
        best = np.argpartition(-similarity, self._k - 1, axis=1)[:, : self._k]
        highest = np.take_along_axis(similarity, best, axis=1)
        order = np.argsort(-highest, axis=1, kind="stable")
        best = np.take_along_axis(best, order, axis=1)
        return (
            np.take_along_axis(similarity, best, axis=1),
            np.take_along_axis(self._place.reshape(shape), best, axis=1),
        )


def _centres(rows: tf.Tensor, generator: np.random.Generator) -> tf.Tensor:
    """Returns the centres of the cells, float32 [C, D], by k-means."""
    count = rows.shape[0]
    cells = number_of_cells(count)
    fitted = generator.choice(count, min(count, FITTED * cells), replace=False)
    some = tf.gather(rows, fitted)
    centres = Lloyd(some, cells).descend(some[:cells], ITERATIONS).centres
    return tf.constant(centres)


def _by_cell(probed: np.ndarray, cells: int) -> list[tuple[int, np.ndarray]]:
    """Sorts probes by their cells.

    Args:
        probed: int32 [Q, probes], cells.
        cells: The number of cells.

    Returns:
        Each cell that is probed, and its places in the flat `probed`.
    """
    flat = probed.ravel()
    order = np.argsort(flat, kind="stable")
    first = np.searchsorted(flat[order], np.arange(cells + 1))
    return [
        (cell, order[first[cell] : first[cell + 1]])
        for cell in range(cells)
        if first[cell] < first[cell + 1]
    ]


def _parts(chosen: np.ndarray, width: int) -> list[np.ndarray]:
    """Splits numbers, [n], to compute `width` products for each of a part."""
    step = max(1, PRODUCTS // max(width, 1))
    return [chosen[i : i + step] for i in range(0, len(chosen), step)]


@tf.function(autograph=False, reduce_retracing=True)
def _closest(queries: tf.Tensor, centres: tf.Tensor, count: int) -> tf.Tensor:
    """Returns the `count` centres closest to each query, int32 [q, count]."""
    own = tf.reduce_sum(centres * centres, axis=1)
    score = 2 * tf.matmul(queries, centres, transpose_b=True) - own
    return tf.math.top_k(score, count).indices


@tf.function(autograph=False, reduce_retracing=True)
def _scanned(
    queries: tf.Tensor,
    own: tf.Tensor,
    rows: tf.Tensor,
    weights: tf.Tensor,
    first: tf.Tensor,
    scale: tf.Tensor,
    k: int,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Compares queries with the rows at some places.

    Args:
        queries: float32 [q, D].
        own: int64 [q], the place that is left out of a query's neighbours.
        rows: float32 [r, D].
        weights: float32 [r], see `_sums`.
        first: int64 [], the place of the first row.
        scale: float32 [], 1 / τ.
        k: The number of neighbours.

    Returns:
        The k highest similarities, float32 [q, k], −∞ where there are fewer;
        their places, int64 [q, k]; and the sums, float32 [2, q].
    """
    products = tf.matmul(queries, rows, transpose_b=True)
    last = first + tf.shape(rows, tf.int64)[0] - 1
    places = tf.range(first, last + 1)
    lowest = -float("inf")
    others = tf.where(places == own[:, None], lowest, products)
    others = tf.pad(others, [[0, 0], [0, k]], constant_values=lowest)
    best = tf.math.top_k(others, k)
    place = tf.minimum(first + tf.cast(best.indices, tf.int64), last)
    place = tf.maximum(place, 0)
    return best.values, place, _sums(queries, products, weights, scale)


@tf.function(autograph=False, reduce_retracing=True)
def _sums(
    queries: tf.Tensor,
    products: tf.Tensor,
    weights: tf.Tensor,
    scale: tf.Tensor,
) -> tf.Tensor:
    """Returns weighted sums of exp(l) and exp(l) l, float32 [2, q].

    Args:
        queries: float32 [q, D].
        products: float32 [q, r], of queries and rows.
        weights: float32 [r], how many times each row counts.
        scale: float32 [], 1 / τ.
    """
    # A unit query is most similar to itself, so that exponents are at most 0.
    largest = tf.reduce_sum(queries * queries, 1, keepdims=True)
    logits = (products - largest) * scale
    terms = tf.exp(logits)
    return tf.stack(
        [
            tf.linalg.matvec(terms, weights),
            tf.linalg.matvec(terms * logits, weights),
        ]
    )
