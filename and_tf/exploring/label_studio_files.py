"""Writes tasks and a labelling configuration for Label Studio.

Images stay where they are: a task names the URL under which Label Studio serves
a file of the folder above --images (its "local files"), and the project needs
a storage of that kind, whose path is --images.

Label Studio is not installed with this project, as it needs an older NumPy.
Label Studio 1.23.2 (`label-studio start`) took the configuration, imported the
tasks with their predictions and annotations, served each image, and exported
a CSV file that --labels reads.
"""

from __future__ import annotations

import os
import pathlib
import re
import urllib.parse
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import numpy as np

from and_tf.exploring.outgoing import REMEDY, Outgoing, write_json_rows
from and_tf.utils import atomic_files, escaping

DIRECTORY, TASKS, CONFIG = "label_studio", "tasks.json", "config.xml"
# The name of the choice is that of the column with which an export of Label
# Studio is read as --labels, beside `file`.
_CHOICE, _IMAGE = "label", "image"
# What a task tells of its image; the data manager sorts and filters by it.
_TOLD = (
    "file", "split", "cluster_name", "cluster_probability", "predicted_label",
    "predicted_probability", "neighbour_label", "label_score",
    "is_label_issue", "is_prototype", "is_outlier", "outlier_score",
    "duplicate_group", "duplicate_kind", "keep", "issues", "select_order",
)  # fmt: skip
# Characters that XML 1.0 has no way to write.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(images: Outgoing, directory: pathlib.Path) -> pathlib.Path:
    """Writes label_studio/tasks.json and label_studio/config.xml.

    The choices are the classes; without labels they are the clusters. A task
    has the predicted class or the cluster as a prediction with its score, and
    the image's own label, if it has one, as an annotation. Images to label next
    come first, the others in the order of the table.

    Args:
        images: The images; those whose names are not UTF-8 are left out.
        directory: The directory to write to.

    Returns:
        The directory of the two files.
    """
    place = directory / DIRECTORY
    classes = images.texts("label") | images.texts("predicted_label")
    predicted = "predicted_label", "predicted_probability"
    if not classes:
        predicted = "cluster_name", "cluster_probability"
        classes = images.texts("cluster_name")
    config = _config(sorted(map(_writable, classes)))
    atomic_files.write_text(place / CONFIG, config, REMEDY)
    tasks = _tasks(images, *predicted)
    write_json_rows(place / TASKS, "[", tasks, "]")
    return place


def _config(classes: list[str]) -> str:
    """Returns the labelling configuration, with a choice for each class."""
    view = ET.Element("View")
    ET.SubElement(view, "Text", name="name", value="$file")
    ET.SubElement(view, "Image", name=_IMAGE, value="$image", zoom="true")
    choices = ET.SubElement(
        view, "Choices", name=_CHOICE, toName=_IMAGE, choice="single"
    )
    for number, name in enumerate(classes):
        ET.SubElement(choices, "Choice", value=name)
        if number < 9:
            choices[-1].set("hotkey", str(number + 1))
    ET.indent(view)
    return ET.tostring(view, "unicode") + "\n"


def _tasks(
    images: Outgoing, predicted: str, probability: str
) -> Iterator[dict[str, Any]]:
    columns = list(dict.fromkeys([*_TOLD, "label", predicted, probability]))
    folder = os.path.basename(os.path.abspath(images.root))
    for _, row in images.rows(columns, _order(images)):
        task: dict[str, Any] = {
            "data": {
                _IMAGE: _url(folder, row["file"]),
                **{name: row[name] for name in _TOLD if name in row},
            }
        }
        if row.get("issues") is not None:
            task["data"]["issues"] = ", ".join(row["issues"])
        if "label" in row:
            task["data"]["given_label"] = row["label"]
            task["annotations"] = [{"result": [_result(row["label"])]}]
        if predicted in row:
            task["predictions"] = [
                {
                    "model_version": predicted,
                    "score": row.get(probability),
                    "result": [_result(row[predicted])],
                }
            ]
        yield task


def _order(images: Outgoing) -> np.ndarray:
    """Returns the rows of tasks, those to label next first."""
    place = images.table["select_order"].to_pylist()
    last = len(place)
    order = np.array([last if n is None else n for n in place], np.int64)
    rows = np.argsort(order, kind="stable")
    return rows[images.writable[rows]]


def _result(name: str) -> dict[str, Any]:
    return {
        "from_name": _CHOICE,
        "to_name": _IMAGE,
        "type": "choices",
        "value": {"choices": [_writable(name)]},
    }


def _url(folder: str, file: str) -> str:
    """Returns the URL of an image for a server of the folder above."""
    path = "/".join([folder, *file.split(os.sep)])
    return f"/data/local-files/?d={urllib.parse.quote(path)}"


def _writable(name: str) -> str:
    """Escapes a name with characters that XML cannot hold."""
    return escaping.for_console(name) if _NOT_XML.search(name) else name
