"""Finds nearest rows in parts whose results can be put together in any order.

Products of float32 matrices depend in their last bits on the size of the
blocks. So they only choose candidates, within the bound of their rounding
errors; what ranks these is the product of two rows in float64, which is the
same wherever the rows stand. Rows that are equally similar go by their numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_NONE = np.iinfo(np.int64).max  # The number of no row, behind all others.
_PIECE = 2**22  # Numbers that are multiplied in float64 at a time.


class Best(NamedTuple):
    """The k rows that are most similar to each of Q queries.

    Attributes:
        similarity: float64 [Q, k], −inf where there are fewer rows.
        number: int64 [Q, k], the numbers of the rows.
    """

    similarity: np.ndarray
    number: np.ndarray


class Rows(NamedTuple):
    """Some rows of a table.

    Attributes:
        number: int64 [n], each of them once.
        embedding: float32 [n, D].
    """

    number: np.ndarray
    embedding: np.ndarray


def nothing(count: int, k: int) -> Best:
    """Returns the best of no rows for Q queries."""
    return Best(
        np.full((count, k), -np.inf), np.full((count, k), _NONE, np.int64)
    )


def merged(one: Best, other: Best) -> Best:
    """Returns the best of two parts of the rows."""
    similarity = np.concatenate([one.similarity, other.similarity], axis=1)
    number = np.concatenate([one.number, other.number], axis=1)
    order = np.lexsort((number, -similarity))[:, : one.number.shape[1]]
    return Best(
        np.take_along_axis(similarity, order, axis=1),
        np.take_along_axis(number, order, axis=1),
    )


def improved(best: Best, queries: Rows, rows: Rows) -> Best:
    """Returns the best of known rows and further ones.

    A row is not its own neighbour.

    Args:
        best: The best so far, of other rows than these.
        queries: The Q rows to search for.
        rows: The further rows.
    """
    k = best.number.shape[1]
    products = queries.embedding @ rows.embedding.T  # [Q, n]
    _, own, same = np.intersect1d(
        queries.number, rows.number, assume_unique=True, return_indices=True
    )
    products[own, same] = -np.inf
    slack = _slack(queries.embedding, rows.embedding)
    least = best.similarity[:, -1]
    if products.shape[1] > k:
        among = np.partition(products, -k, axis=1)[:, -k]
        least = np.maximum(least, among)
    wanted = products >= (least - slack)[:, None]
    wanted[own, same] = False
    query, row = np.nonzero(wanted)
    return merged(best, _ranked(queries, rows, query, row, k))


def _slack(queries: np.ndarray, rows: np.ndarray) -> float:
    """Returns twice the largest error of a product of float32 rows."""
    dim = queries.shape[1]
    norms = [np.linalg.norm(each, axis=1).max(initial=0) for each in
             (queries, rows)]  # fmt: skip
    return 2 * (dim + 1) * 2.0**-24 * float(norms[0] * norms[1])


def _ranked(
    queries: Rows, rows: Rows, query: np.ndarray, row: np.ndarray, k: int
) -> Best:
    """Ranks the candidates of each query.

    Args:
        queries: The Q rows to search for.
        rows: The rows that candidates are among.
        query: integer [c], the places of queries, ascending.
        row: integer [c], the places of their candidates.
        k: The number of rows to keep.
    """
    step = max(1, _PIECE // queries.embedding.shape[1])
    similarity = np.concatenate([np.zeros(0)] + [
        np.einsum(
            "cd,cd->c",
            queries.embedding[query[start : start + step]].astype(np.float64),
            rows.embedding[row[start : start + step]].astype(np.float64),
        )
        for start in range(0, len(query), step)
    ])  # fmt: skip
    number = rows.number[row]
    order = np.lexsort((number, -similarity, query))
    query = query[order]
    rank = np.arange(len(query)) - np.searchsorted(query, query)
    kept = rank < k
    best = nothing(len(queries.number), k)
    best.similarity[query[kept], rank[kept]] = similarity[order][kept]
    best.number[query[kept], rank[kept]] = number[order][kept]
    return best
