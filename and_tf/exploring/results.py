"""Writes what an exploration found: tables, a summary, and what to do next."""

from __future__ import annotations

import collections
import csv
import datetime
import io
import itertools
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from and_tf.data import walking
from and_tf.exploring import clusters, duplicates, map_points, table
from and_tf.exploring.experiment import Exploration
from and_tf.exploring.measured import REFERENCE
from and_tf.exploring.outgoing import REMEDY
from and_tf.utils import atomic_files
from and_tf.utils.averages import percent
from and_tf.utils.escaping import for_csv

_EXAMPLES = 3  # Prototypes that clusters.csv names for each cluster.


def make_table(found: Exploration) -> pa.Table:
    """Makes the table of all images, see `table.SCHEMA`."""
    count, images = found.count, found.images
    group = found.duplicates
    x, y = found.map.T
    columns = {
        "file": list(found.files),
        "split": [place.split for place in found.places],
        "bytes": images.file_bytes[:count],
        "sha256": images.sha256[:count],
        "pixels_sha256": images.pixels_sha256[:count],
        "width": images.width[:count],
        "height": images.height[:count],
        "aspect": images.aspect[:count],
        "taken": [taken or None for taken in images.taken[:count]],
        "has_place": images.has_place[:count],
        "entropy": found.near.entropy,
        "neighbour_distance": found.isolation,
        "outlier_score": found.outlier_scores,
        "is_outlier": found.is_outlier,
        "duplicate_group": group.group[:count],
        "duplicate_kind": [kind or None for kind in group.kind[:count]],
        "keep": group.keep[:count],
        **_copies_of_reference(found),
        "brightness": images.brightness[:count],
        "contrast": images.contrast[:count],
        "sharpness": images.sharpness[:count],
        "issues": found.issues,
        "x": x,
        "y": y,
        **_clusters(found),
        **_labels(found),
        **_neighbours(found),
    }
    return table.make(columns, count)


def _copies_of_reference(found: Exploration) -> dict[str, Any]:
    """Returns the columns that name what the reference has too."""
    files: list[str | None] = [None] * found.count
    kinds = files.copy()
    for row, reference, kind in found.leaks:
        files[row], kinds[row] = found.images.file[reference], kind
    return {"reference_file": files, "reference_kind": kinds}


def _clusters(found: Exploration) -> dict[str, Any]:
    these = found.clusters
    return {
        "cluster": these.assigned,
        "cluster_name": [
            None if c < 0 else these.names[c] or f"cluster {c}"
            for c in these.assigned.tolist()
        ],
        "cluster_probability": these.probability,
        "is_prototype": these.is_prototype,
    }


def _labels(found: Exploration) -> dict[str, Any]:
    """Returns the columns of labels; none where there are none."""
    columns: dict[str, Any] = {}
    if found.predicted is not None:
        names, probabilities = found.predicted
        columns["predicted_label"] = [
            names[c] for c in probabilities.argmax(1).tolist()
        ]
        columns["predicted_probability"] = probabilities.max(1)
    if found.config.select:
        order = np.full(found.count, -1)
        order[found.selected] = np.arange(len(found.selected))
        columns["select_order"] = [None if n < 0 else n for n in order.tolist()]
    errors = found.label_errors
    if errors is None:
        return columns
    names = found.labels.names
    return columns | {
        "label": found.labels.texts,
        "neighbour_label": [
            None if c < 0 else names[c] for c in errors.neighbour_label.tolist()
        ],
        "neighbour_label_probability": errors.probability,
        "label_score": errors.label_score,
        "is_label_issue": errors.is_issue,
    }


def _neighbours(found: Exploration) -> dict[str, Any]:
    most = found.config.neighbours
    index = found.near.index[:, :most].tolist()
    distance = (1 - found.near.similarity[:, :most]).tolist()
    return {
        "neighbors": table.neighbours(index, distance),
        "neighbour_files": [[found.files[n] for n in row] for row in index],
    }


def write(found: Exploration) -> pa.Table:
    """Writes all tables and the summary; returns the table of images."""
    rows = make_table(found)
    directory = found.directory
    table.write(rows, directory.path)
    _write_clusters(found)
    _write_duplicates(found)
    if found.config.select:
        _write_csv(
            directory.selected,
            ("file", "label"),
            ((found.files[row], "") for row in found.selected.tolist()),
        )
    else:
        directory.selected.unlink(missing_ok=True)
    if found.images.skipped:
        _write_csv(directory.unreadable, ("file", "why"), found.images.skipped)
    else:
        directory.unreadable.unlink(missing_ok=True)
    atomic_files.write_json(directory.summary, summary(found), REMEDY)
    return rows


def _write_clusters(found: Exploration) -> None:
    these = found.clusters
    sizes = np.bincount(
        these.assigned[these.assigned >= 0], minlength=len(these.names)
    )
    examples: list[list[str]] = [[] for _ in these.names]
    for row in np.flatnonzero(these.is_prototype).tolist():
        examples[these.assigned[row]].append(found.files[row])
    _write_csv(
        found.directory.cluster_table,
        ("cluster", "name", "images", "examples"),
        (
            (
                number,
                name or f"cluster {number}",
                size,
                "|".join(some[:_EXAMPLES]),
            )
            for number, (name, size, some) in enumerate(
                zip(these.names, sizes.tolist(), examples, strict=True)
            )
        ),
    )
    mean, projection = found.whitening
    clusters.write(
        found.directory.clusters,
        clusters.Kept(
            these.centres,
            np.array(found.files, np.str_),
            these.assigned,
            np.array(these.names, np.str_),
            mean,
            projection,
            np.array(found.encoder.mark),
        ),
    )


def _write_duplicates(found: Exploration) -> None:
    """Writes all groups, and those that lie in several splits."""
    group, images = found.duplicates, found.images
    _write_csv(
        found.directory.duplicates,
        ("group", "file", "kind", "keep"),
        (
            (number, images.file[row], group.kind[row], int(group.keep[row]))
            for number, rows in sorted(_groups(found).items())
            for row in rows
        ),
    )
    leaks = list(_leaks(found))
    if leaks:
        columns = "file", "split", "other", "other_split", "kind"
        _write_csv(found.directory.leaks, columns, leaks)
    else:
        found.directory.leaks.unlink(missing_ok=True)


def _groups(found: Exploration) -> dict[int, list[int]]:
    """Returns the rows of each group of duplicates."""
    members = collections.defaultdict(list)
    for row, group in enumerate(found.duplicates.group.tolist()):
        if group >= 0:
            members[group].append(row)
    return members


def _across_splits(found: Exploration) -> Iterator[tuple[int, int]]:
    """Yields the pairs of duplicates in different splits of the images."""
    for rows in _groups(found).values():
        by_split: dict[str, list[int]] = {}
        for row in rows:
            if row < found.count:
                by_split.setdefault(found.places[row].split, []).append(row)
        for here, there in itertools.combinations(by_split.values(), 2):
            for row, copy in duplicates.crossed(here, there):
                yield min(row, copy), max(row, copy)


def _leaks(found: Exploration) -> Iterator[tuple[str, ...]]:
    """Yields duplicates in different splits, then those in the reference."""
    images, relations = found.images, found.duplicates.relations
    for one, other in _across_splits(found):
        yield (
            images.file[one], found.places[one].split,
            images.file[other], found.places[other].split,
            relations.kind(other, one),
        )  # fmt: skip
    for row, other, kind in found.leaks:
        yield (
            images.file[row], found.places[row].split,
            images.file[other], REFERENCE, kind,
        )  # fmt: skip


def summary(found: Exploration) -> dict[str, Any]:
    """Returns how the exploration was made, and its figures."""
    config, group = found.config, found.duplicates
    names, tried = found.clusters.names, {}
    assigned = found.clusters.assigned.tolist()
    if "proposed" in vars(found):
        tried = found.proposed[1]
    issues = collections.Counter(issue for row in found.issues for issue in row)
    errors = found.label_errors
    return {
        "images": walking.utf8(config.images),
        "count": found.count,
        "left_out": len(found.images.skipped),
        "encoder": found.encoder.name,
        "labels_seen": found.encoder.labels,
        "dimensions": found.rows.shape[1],
        "clusters": len(names),
        "empty_clusters": len(names) - len({*assigned} - {clusters.NONE}),
        "cluster_sizes_tried": {str(c): s for c, s in tried.items()},
        "duplicate_groups": int(group.group.max(initial=-1)) + 1,
        "duplicates_to_drop": int((~group.keep[: found.count]).sum()),
        "pairs_across_splits": sum(1 for _ in _across_splits(found)),
        "images_in_reference": len(found.leaks),
        "outliers": int(found.is_outlier.sum()),
        "issues": dict(sorted(issues.items())),
        "labelled": int(found.labels.known.sum()),
        "labels_agreed": _agreed(found),
        "label_issues": None if errors is None else int(errors.is_issue.sum()),
        "map": "UMAP" if map_points.has_umap() else "PCA",
        "seed": config.seed,
        "finished": datetime.datetime.now(datetime.UTC).isoformat(
            "T", "seconds"
        ),
    }


def _agreed(found: Exploration) -> float | None:
    """Returns the share of labels that neighbours agree with, if any vote."""
    errors, known = found.label_errors, found.labels.known
    if errors is None or not known.any():
        return None
    same = errors.neighbour_label[known] == found.labels.numbers[known]
    return float(same.mean())


def notes(found: Exploration) -> list[str]:
    """Returns sentences that say how the images were compared."""
    encoder, told = found.encoder, summary(found)
    sentences = [
        f"Images are compared by {encoder.name}."
        if encoder.whitens
        else f"Images are compared by {encoder.name}, whose weights have seen "
        f"{encoder.labels}.",
        f"The map is a {told['map']} of {told['dimensions']} numbers an image; "
        "near points are alike, far distances say little.",
    ]
    if told["cluster_sizes_tried"]:
        sentences.append(
            f"{told['clusters']} clusters have the highest silhouette of the "
            "numbers that were tried; --clusters takes another one."
        )
    if told["labels_agreed"] is not None:
        sentences.append(
            f"Neighbours agree with {percent(told['labels_agreed'])} of the "
            "labels. The fewer they are, the less their doubts say."
        )
    return sentences


def _write_csv(
    path: pathlib.Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(
        [for_csv(cell) if isinstance(cell, str) else cell for cell in row]
        for row in rows
    )
    atomic_files.write_text(path, text.getvalue(), REMEDY)
