"""Runs an exploration from its flags to its page."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

import pyarrow as pa

from and_tf.data.walking import summaries, utf8
from and_tf.exploring import (
    encoder,
    experiment,
    inputs,
    map_points,
    originals,
    page,
    results,
    serving,
    sprites,
    ways_out,
)
from and_tf.exploring.config import ExploreConfig
from and_tf.exploring.directory import ExploreDirectory
from and_tf.exploring.experiment import Exploration
from and_tf.exploring.originals import Shown
from and_tf.exploring.outgoing import Outgoing
from and_tf.utils.averages import percent
from and_tf.utils.progress import duration

Result = TypeVar("Result")


def explore(config: ExploreConfig) -> None:
    """Looks through a folder, writes everything, and says what was found.

    Raises:
        InputError: If the images, the encoder or a table cannot be read, or
            the output cannot be written.
    """
    directory = ExploreDirectory(config.output_directory)
    start = time.monotonic()
    folders = inputs.check(config, directory)
    for folder in folders:
        count = len(folder.names)
        files = f"{count:,} file{'s' * (count != 1)}"
        print(f"{files} in {utf8(folder.root)}")
    opened = encoder.open_encoder(config)
    print(f"encoder: {opened.name}")
    kept = experiment.kept_clusters(config, directory, opened)
    images = inputs.measure(config, directory, opened, folders)
    found = Exploration(config, directory, opened, images, kept)
    for told in summaries(images.skipped):
        print(f"left out {told}; all are in {directory.unreadable}")
    if not map_points.has_umap():
        print(
            "The map is a PCA, in which groups overlap. For UMAP: "
            "pip install -r requirements-explore.txt"
        )
    _timed("compare", lambda: (found.near, found.duplicates, found.issues))
    _timed("cluster", lambda: found.clusters)
    _timed("map", lambda: found.map)
    rows, shown = _timed("write", lambda: _write(found))
    _tell(found)
    _write_ways_out(found, rows)
    print(f"\n{found.count:,} images in {duration(time.monotonic() - start)}")
    print(f"look through them: {directory.page}")
    if config.serve:
        serving.serve(
            serving.PageServer(
                directory.path, shown.paths, shown.table, port=config.port
            )
        )


def _write(found: Exploration) -> tuple[pa.Table, Shown]:
    """Writes the tables and the page.

    Returns:
        The table of images, and what the page shows.
    """
    rows, directory, config = (
        results.write(found),
        found.directory,
        found.config,
    )
    shown = originals.beside(found, rows)

    def seen_from_page(folder: str) -> str:
        relative = os.path.relpath(folder, directory.path)
        return utf8(relative.replace(os.sep, "/"))

    page.write(
        directory.path,
        shown.table,
        sprites.write(shown.thumbnails, directory.sprites),
        os.path.basename(os.path.abspath(config.images)),
        results.notes(found),
        seen_from_page(config.images),
        seen_from_page(config.reference) if config.reference else None,
        len(shown.paths) - found.count,
    )
    return rows, shown


def _write_ways_out(found: Exploration, rows: pa.Table) -> None:
    """Writes what --formats names, and prints how to open it."""
    count, config = found.count, found.config
    images = Outgoing(
        rows,
        config.images,
        found.images.path[:count],
        found.rows,
        found.images.thumbnails[:count],
    )
    for way in ways_out.write(
        images, found.directory.path, config.export_formats
    ):
        print(utf8(f"wrote {way.path}: {way.how}"))
        if way.remark:
            print(way.remark)


def _timed(what: str, compute: Callable[[], Result]) -> Result:
    """Computes something, and prints how long it took."""
    start = time.monotonic()
    result = compute()
    print(f"{what:<8} {duration(time.monotonic() - start)}")
    return result


def _tell(found: Exploration) -> None:
    """Prints what was found, and where it is listed."""
    told = results.summary(found)
    directory = found.directory
    print()
    empty = told["empty_clusters"]
    _line(
        "clusters",
        f"{told['clusters']:,}" + (f", {empty:,} of them empty" * bool(empty)),
        directory.cluster_table,
    )
    _line(
        "duplicates",
        f"{told['duplicate_groups']:,} groups, {told['duplicates_to_drop']:,} "
        "images that could be dropped",
        directory.duplicates,
    )
    if told["pairs_across_splits"] or found.leaks:
        leaks = f"{told['pairs_across_splits']:,} pairs across splits"
        if found.config.reference:
            leaks += f", {len(found.leaks):,} images in the reference"
        _line("leaks", leaks, directory.leaks)
    _line("outliers", f"{told['outliers']:,}", "column is_outlier")
    issues = ", ".join(f"{n:,} {issue}" for issue, n in told["issues"].items())
    _line("quality", issues or "nothing noticed", "column issues")
    if told["label_issues"] is not None:
        share = percent(told["label_issues"] / max(told["labelled"], 1))
        _line(
            "labels",
            f"{told['labelled']:,}, of which {told['label_issues']:,} "
            f"({share}) are doubtful; neighbours agree with "
            f"{percent(told['labels_agreed'])}",
            "column is_label_issue",
        )
    if found.config.select:
        count = f"{len(found.selected):,}"
        if not len(found.selected):
            count += ", as every image that is no copy has a label"
        _line("to label", count, directory.selected)


def _line(what: str, told: str, where: object) -> None:
    print(f"{what + ':':<12} {told}  ({utf8(str(where))})")
