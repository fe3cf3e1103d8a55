"""Makes the pipelines that find images of the same picture.

The first measures each image. The second compares all files of that table with
each other, two at a time: their images by hashes, and those that are near each
other by their embeddings. It then does with all pairs what
`and_tf.exploring.copies.find` and `duplicates.find` do, in their order, so that
the groups are the same. There is one exception: what many images have in
common (`and_tf.exploring.crowds`) is known of two files at a time, so that some
of a crowd which is spread over many files may be taken for copies. The groups
themselves are made by one worker, with 700 bytes for each pair of copies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa

from and_tf.exploring import copies, duplicates
from and_tf.exploring.kept_copies import Copies, Copy
from export.beam import images, measures_table, pipelines, shards
from export.beam.neighbour_pipeline import FILES
from export.beam.pipeline_flags import DuplicatesFlags
from export.beam.row_numbers import NAME, SharedNumbers
from export.beam.shards import Shard

Pair = tuple[int, int]  # Numbers of rows, the lower one first.
Tile = tuple[int, int]  # The places of two files, the lower one first.

_MEASURES = "_measures"  # Behind --output in the names of that table.
_HASH, _NEAR = "hash", "near"
_SCHEMA = pa.schema([
    ("group", pa.int64()),
    (NAME, pa.string()),
    ("kind", pa.string()),
    ("keep", pa.bool_()),
])  # fmt: skip


def run(config: DuplicatesFlags, beam_flags: Sequence[str]) -> None:
    """Writes the groups of images that show the same picture.

    Args:
        config: The flags.
        beam_flags: The options of Beam.

    Raises:
        InputError: If the images, the neighbours or the output cannot be used,
            or a pipeline fails.
    """
    options = pipelines.read_options(beam_flags)
    pipelines.check_output(config.output, "", images.LISTED, _MEASURES)
    near: list[Shard] = []
    if config.neighbours:
        near = shards.find(config.neighbours, "neighbours", [NAME, FILES])
    found = images.find(config.images)
    pipelines.make_directory(config.output)
    pipelines.run(options, lambda pipeline: _measure(pipeline, config, found))
    for line in found.left_out:
        print(f"left out {line}")
    table = config.output + _MEASURES
    images.tell_of_unreadable(config.images, config.output, table)
    files = shards.written(table)
    count = shards.total(files)
    pipelines.run(
        options, lambda pipeline: _compare(pipeline, config, files, near)
    )
    grouped = shards.total(shards.written(config.output))
    print(
        f"wrote {grouped:,} of {count:,} images, which are in groups, in "
        f"{config.shards} files, {config.output}-*-of-*{shards.SUFFIX}"
    )


def _measure(
    pipeline: beam.Pipeline, config: DuplicatesFlags, found: images.Found
) -> None:
    measured = images.read(pipeline, found) | "Measure" >> beam.ParDo(
        measures_table.Measure()
    ).with_outputs(images.UNREADABLE, main="read")
    _ = measured["read"] | "Write" >> shards.write(
        config.output + _MEASURES,
        measures_table.SCHEMA,
        config.shards,
        measures_table.ROW_BYTES,
    )
    _ = measured[images.UNREADABLE] | "List" >> shards.write_lines(
        config.output + images.LISTED
    )


def _compare(
    pipeline: beam.Pipeline,
    config: DuplicatesFlags,
    files: Sequence[Shard],
    near: Sequence[Shard],
) -> None:
    numbers = SharedNumbers(files, alike=True)
    found = _copies(pipeline, files, near, numbers)
    more = (
        pipeline
        | "Once" >> beam.Create([None])
        | "SamePicture"
        >> beam.FlatMap(_same_picture, numbers, beam.pvalue.AsList(found))
        | "TilesOfMore" >> beam.GroupByKey()
        | "CompareMore" >> beam.ParDo(_OfPairs(files, numbers))
    )
    both = (found, more) | "All" >> beam.Flatten()
    grouped = (
        pipeline
        | "OnceMore" >> beam.Create([None])
        | "Group" >> beam.ParDo(_Grouped(numbers), beam.pvalue.AsList(both))
    )
    rows = (
        grouped
        | "Places" >> beam.FlatMap(_places, numbers)
        | "PlacesOfFiles" >> beam.GroupByKey()
        | "ReadRows" >> beam.ParDo(_Members(files, numbers))
    )
    _ = (
        {
            "group": grouped | "Key" >> beam.Map(lambda g: (g.number, g)),
            "rows": rows,
        }
        | "Join" >> beam.CoGroupByKey()
        | "Describe" >> beam.FlatMap(_described)
        | "WriteGroups"
        >> shards.write(config.output, _SCHEMA, config.shards, 32)
    )


def _copies(
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


class _Comparing(beam.DoFn):
    """Reads the images of two files, to compare them.

    Args:
        files: The files of the measures.
        numbers: The numbers of their rows.
    """

    def __init__(self, files: Sequence[Shard], numbers: SharedNumbers) -> None:
        self._files = files
        self._shared = numbers

    def read(self, tile: Tile) -> tuple[Any, np.ndarray]:
        """Reads the images that are the first ones of their pixels.

        Returns:
            Their `Measured` in the order of their numbers, and these, int64.
        """
        numbers = self._shared.get()
        rows = measures_table.read([self._files[i] for i in sorted({*tile})])
        by_number = {numbers.number[row[NAME]]: row for row in rows}
        chosen = [n for n in sorted(by_number) if numbers.alike[n] == n]
        if not chosen:
            return None, np.zeros(0, np.int64)
        found = measures_table.measured_of([by_number[n] for n in chosen])
        return found, np.array(chosen, np.int64)


class _CompareTile(_Comparing):
    """Finds copies between two files, or within one."""

    def process(self, element: tuple[Tile, Any]) -> Iterator[Any]:
        """Yields copies by hash, by their second row, and near ones."""
        tile, inputs = element
        measured, rows = self.read(tile)
        if measured is None:
            return
        places = np.arange(len(rows))
        shard = self._shared.get().shard[rows]
        pairs = _places_of(rows, inputs[_NEAR])
        by_hash, near = copies.in_tile(measured, places, pairs)
        for (first, second), copy in by_hash.items():
            one, two = int(rows[first]), int(rows[second])
            # The tile of one file alone has the pairs within that file.
            if tile[0] == tile[1] or shard[first] != shard[second]:
                yield beam.pvalue.TaggedOutput(_HASH, (two, (one, copy)))
        for (first, second), copy in near.items():
            pair = int(rows[first]), int(rows[second])
            yield beam.pvalue.TaggedOutput(_NEAR, (pair, copy))


class _OfPairs(_Comparing):
    """Compares given pairs of rows."""

    def process(
        self, element: tuple[Tile, Iterable[Pair]]
    ) -> Iterator[tuple[Pair, Copy]]:
        """Yields the pairs that are copies."""
        tile, pairs = element
        measured, rows = self.read(tile)
        if measured is not None:
            found = copies.of_pairs(measured, _places_of(rows, pairs))
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


def _dictionary(found: Iterable[tuple[Pair, Copy]]) -> Copies:
    return {
        (first, second): Copy(*copy) for (first, second), copy in sorted(found)
    }


def _same_picture(
    _: None, shared: SharedNumbers, found: list[tuple[Pair, Copy]]
) -> Iterator[tuple[Tile, Pair]]:
    """Yields further pairs to compare, see `copies.same_picture`."""
    shard = shared.get().shard
    for pair in copies.same_picture(_dictionary(found)):
        yield _tile(shard, pair), pair


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


class _Grouped(beam.DoFn):
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
        known = _dictionary(found)
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


def _places(
    group: Group, shared: SharedNumbers
) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yields the file, the group and the row of each member."""
    shard = shared.get().shard
    for row in group.members:
        yield int(shard[row]), (group.number, row)


class _Members(beam.DoFn):
    """Reads the rows that are in groups.

    Args:
        files: The files of the measures.
        numbers: The numbers of their rows.
    """

    def __init__(self, files: Sequence[Shard], numbers: SharedNumbers) -> None:
        self._files = files
        self._shared = numbers

    def process(
        self, element: tuple[int, Iterable[tuple[int, int]]]
    ) -> Iterator[tuple[int, tuple[int, dict[str, Any]]]]:
        """Yields the group, the number and the measures of each row."""
        place, rows = element
        group_of = {row: group for group, row in rows}
        number = self._shared.get().number
        for row in measures_table.read([self._files[place]]):
            if (found := number[row[NAME]]) in group_of:
                yield group_of[found], (found, row)


def _described(element: tuple[int, Any]) -> Iterator[dict[str, Any]]:
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
