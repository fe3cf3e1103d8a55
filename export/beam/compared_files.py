"""Compares the images of all files of a table, two files at a time.

A pair of files is a tile: its images are compared by hashes, and those that are
near each other by their embeddings as well. The pairs that are found are those
of `and_tf.exploring.copies.find`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np

from and_tf.exploring import copies
from and_tf.exploring.kept_copies import Copies, Copy
from export.beam import shards
from export.beam.measures_table import Reading
from export.beam.neighbour_pipeline import FILES
from export.beam.row_numbers import NAME, SharedNumbers
from export.beam.shards import Shard

Pair = tuple[int, int]  # Numbers of rows, the lower one first.
Tile = tuple[int, int]  # The places of two files, the lower one first.

_HASH, _NEAR = "hash", "near"


def add(
    pipeline: beam.Pipeline,
    files: Sequence[Shard],
    near: Sequence[Shard],
    numbers: SharedNumbers,
) -> beam.PCollection:
    """Adds the transforms that give pairs of copies, (`Pair`, `Copy`)."""
    count = len(files)
    tiles = [((i, j), None) for i in range(count) for j in range(i, count)]
    pairs = (
        pipeline
        | "Neighbours" >> beam.Create(list(near))
        | "SpreadNeighbours" >> beam.Reshuffle()
        | "Pairs" >> beam.FlatMap(_near_pairs, numbers)
    )
    compared = (
        {
            "tile": pipeline | "Tiles" >> beam.Create(tiles),
            _NEAR: pairs,
        }
        | "TilesAndPairs" >> beam.CoGroupByKey()
        | "CompareTiles"
        >> beam.ParDo(_CompareTile(files, numbers)).with_outputs(_HASH, _NEAR)
    )
    by_hash = (
        compared[_HASH]
        | "BySecond" >> beam.GroupByKey()
        | "First" >> beam.FlatMap(_first_copies)
    )
    return (
        {_HASH: by_hash, _NEAR: compared[_NEAR]}
        | "ByPair" >> beam.CoGroupByKey()
        | "Either" >> beam.Map(_either)
    )


def _near_pairs(
    shard: Shard, shared: SharedNumbers
) -> Iterator[tuple[Tile, Pair]]:
    """Yields pairs of rows and their neighbours with the tiles they are in."""
    numbers = shared.get()
    for table in shards.read_groups(shard, [NAME, FILES]):
        rows = numbers.of(table[NAME].to_pylist())
        for row, names in zip(
            rows.tolist(), table[FILES].to_pylist(), strict=True
        ):
            if row < 0 or numbers.alike[row] != row:
                continue
            others = numbers.of(names[: copies.NEIGHBOURS])
            for other in numbers.alike[others[others >= 0]].tolist():
                if other != row:
                    pair = (min(row, other), max(row, other))
                    yield _tile(numbers.shard, pair), pair


def _tile(shard: np.ndarray, pair: Pair) -> Tile:
    one, two = shard[list(pair)].tolist()
    return min(one, two), max(one, two)


class _CompareTile(Reading):
    """Finds copies between two files, or within one."""

    def process(self, element: tuple[Tile, Any]) -> Iterator[Any]:
        """Yields copies by hash, by their second row, and near ones."""
        tile, inputs = element
        looks, rows = self.looks(sorted({*tile}))
        if not len(looks):
            return
        places = np.arange(len(rows))
        shard = self.numbers.get().shard[rows]
        pairs = _places_of(rows, inputs[_NEAR])
        by_hash, near = copies.in_tile(looks, places, pairs)
        for (first, second), copy in by_hash.items():
            one, two = int(rows[first]), int(rows[second])
            # The tile of one file alone has the pairs within that file.
            if tile[0] == tile[1] or shard[first] != shard[second]:
                yield beam.pvalue.TaggedOutput(_HASH, (two, (one, copy)))
        for (first, second), copy in near.items():
            pair = int(rows[first]), int(rows[second])
            yield beam.pvalue.TaggedOutput(_NEAR, (pair, copy))


class OfPairs(Reading):
    """Compares given pairs of rows."""

    def process(
        self, element: tuple[Tile, Iterable[Pair]]
    ) -> Iterator[tuple[Pair, Copy]]:
        """Yields the pairs that are copies."""
        tile, pairs = element
        looks, rows = self.looks(sorted({*tile}))
        if len(looks):
            found = copies.of_pairs(looks, _places_of(rows, pairs))
            for (first, second), copy in found.items():
                yield (int(rows[first]), int(rows[second])), copy


def _places_of(rows: np.ndarray, pairs: Iterable[Pair]) -> list[Pair]:
    """Returns the places in sorted rows of pairs of them, each pair once."""
    wanted = np.array(sorted({*map(tuple, pairs)}), np.int64).reshape(-1, 2)
    return list(map(tuple, np.searchsorted(rows, wanted).tolist()))


def _first_copies(
    element: tuple[int, Iterable[tuple[int, Copy]]],
) -> Iterator[tuple[Pair, Copy]]:
    """Yields the pairs of a row with its first copies in earlier rows."""
    second, found = element
    for first, copy in sorted(found)[: copies.MOST_PAIRS]:
        yield (first, second), Copy(*copy)


def _either(element: tuple[Pair, Any]) -> tuple[Pair, Copy]:
    """Returns what a hash has found, else what a neighbour has."""
    pair, found = element
    return pair, Copy(*[*found[_HASH], *found[_NEAR]][0])


def dictionary(found: Iterable[tuple[Pair, Copy]]) -> Copies:
    """Returns pairs in their order, as `copies.find` returns them."""
    return {
        (first, second): Copy(*copy) for (first, second), copy in sorted(found)
    }


def same_picture(
    _: None, shared: SharedNumbers, found: list[tuple[Pair, Copy]]
) -> Iterator[tuple[Tile, Pair]]:
    """Yields further pairs to compare, see `copies.same_picture`."""
    shard = shared.get().shard
    for pair in copies.same_picture(dictionary(found)):
        yield _tile(shard, pair), pair
