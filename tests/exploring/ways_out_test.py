"""What other tools open: read again by them, or held against their formats.

FiftyOne, Label Studio, Embedding Atlas and Spotlight do not install beside
TensorFlow's versions, or bring a database or PyTorch. The head of each writer
says with which version its files were opened.
"""

from __future__ import annotations

import io
import json
import os
import pathlib
import types
import urllib.parse
import wsgiref.util
import xml.etree.ElementTree as ET

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tensorboard.backend.event_processing import (
    data_provider,
    event_multiplexer,
)
from tensorboard.plugins import base_plugin
from tensorboard.plugins.projector import projector_plugin

from and_tf.data import walking
from and_tf.exploring import (
    links,
    projector_files,
    table,
    thumbnail_table,
    ways_out,
)
from and_tf.exploring.config import FORMATS, ExploreConfig
from and_tf.exploring.outgoing import Outgoing
from and_tf.utils.errors import InputError

NAMES = (
    "=HYPERLINK(0).png", "a&b<c>#?%41.png", "cat/same.png", "dog/SAME.png",
    "line\nend.png", "quote\"'`.png", "tab\tname.png", "$image \\.png",
    "עברית.png", "\u202egnp.exe.png", "-rf.png", os.fsdecode(b"caf\xe9.png"),
)  # fmt: skip
CLASSES = ("=1+1", 'say "hi" & <b>', "line\nend", "tab\tby", "שלום", "\x01")
CLUSTERS = ("cats / dogs", "=1\t\n", "\u202eb")
COUNT = len(NAMES)


@pytest.fixture
def images(tmp_path) -> Outgoing:
    """Images in colours of their own; little is known of the last."""
    return make(tmp_path / "photos")


def make(root: pathlib.Path) -> Outgoing:
    paths, thumbnails = [], []
    for row, name in enumerate(NAMES):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tile = Image.new("RGB", (96, 96), (20 * row, 255 - 20 * row, 128))
        tile.save(path)
        thumbnail = io.BytesIO()
        tile.save(thumbnail, "JPEG")
        paths.append(str(path))
        thumbnails.append(thumbnail.getvalue())
    rows = np.arange(COUNT)
    cluster = [int(c) if c < 3 else -1 for c in rows % 4]
    few = {0: "=1+1", 1: "tab\tby"}
    columns = {
        "file": [walking.utf8(name) for name in NAMES],
        "split": ["train"] * 6 + [""] * (COUNT - 6),
        "bytes": [os.path.getsize(path) for path in paths],
        "width": rows * 0 + 96,
        "height": rows * 0 + 96,
        "cluster": cluster,
        "cluster_name": [CLUSTERS[c] if c >= 0 else None for c in cluster],
        "cluster_probability": (rows + 1) / 16,
        "is_prototype": rows == 1,
        "neighbour_distance": [0.25] * (COUNT - 1) + [np.nan],
        "outlier_score": rows / 32,
        "is_outlier": rows == 2,
        "duplicate_group": np.where((rows == 2) | (rows == 3), 0, -1),
        "duplicate_kind": [None] * 3 + ["resized"] + [None] * (COUNT - 4),
        "keep": rows != 3,
        "issues": [["dark", "odd_size"] if r == 4 else [] for r in rows],
        "label": [few.get(row) for row in range(COUNT)],
        "predicted_label": [CLASSES[row % 6] for row in range(COUNT)],
        "predicted_probability": (rows + 1) / 32,
        "is_label_issue": rows == 0,
        "select_order": [{5: 0, 3: 1}.get(row) for row in range(COUNT)],
        "x": rows / 2,
        "y": -rows / 4,
        "neighbors": table.neighbours([[1]] * COUNT, [[0.5]] * COUNT),
        "neighbour_files": [["=HYPERLINK(0).png"]] * COUNT,
    }
    made = table.make(columns, COUNT)
    embeddings = np.random.default_rng(0).normal(size=(COUNT, 5)).astype("f")
    return Outgoing(made, str(root), tuple(paths), embeddings, thumbnails)


def read(path: pathlib.Path):
    def refuse(constant: str) -> None:
        raise ValueError(constant)  # JSON has no NaN.

    return json.loads(path.read_text("utf-8"), parse_constant=refuse)


def test_formats_are_chosen_by_name(images, tmp_path):
    def config(formats: str) -> ExploreConfig:
        return ExploreConfig(images="a", output="b", formats=formats)

    assert config("").export_formats == ()
    assert config("links, fiftyone,links").export_formats == (
        "links", "fiftyone"
    )  # fmt: skip
    with pytest.raises(InputError, match=r"fiftyone, label_studio.*'csv'"):
        config("csv")

    out = tmp_path / "out put"
    written = ways_out.write(images, out, FORMATS)
    assert [way.path.name for way in written] == [
        "fiftyone.json",
        "label_studio",
        "tensorboard",
        "images_with_thumbnails.parquet",
        "links",
    ]
    assert {way.path for way in written} == {*out.iterdir()}
    assert written[0].how == (
        f"fiftyone app view --json-path '{out}/fiftyone.json'"
    )
    assert written[0].remark == "left out 1 whose names are not UTF-8"
    assert [way.remark for way in written[2:]] == [""] * 3


def test_fiftyone_reads_labels_clusters_and_tags(images, tmp_path):
    (way,) = ways_out.write(images, tmp_path / "out", ["fiftyone"])
    found = read(way.path)
    assert {*found} == {
        "name",
        "media_type",
        "sample_fields",
        "info",
        "samples",
    }
    assert found["media_type"] == "image"
    samples = found["samples"]
    # A name that is not UTF-8 cannot be in FiftyOne's database.
    assert [s["filepath"] for s in samples] == list(images.paths[:-1])
    assert samples[0]["file"] == NAMES[0]
    assert [s.get("ground_truth", {}).get("label") for s in samples[:3]] == [
        "=1+1", "tab\tby", None
    ]  # fmt: skip
    assert samples[5]["predicted"] == {
        "_cls": "Classification",
        "label": CLASSES[5],
        "confidence": 6 / 32,
    }
    assert samples[1]["cluster"]["label"] == CLUSTERS[1]
    assert "cluster" not in samples[3]
    assert [s["tags"] for s in samples[:6]] == [
        ["train", "label issue"],
        ["train", "prototype"],
        ["train", "outlier", "duplicate to keep"],
        ["train", "duplicate", "to label"],
        ["train", "dark", "odd_size"],
        ["train", "to label"],
    ]
    assert samples[2]["map"] == [1, -0.5]
    assert samples[0]["metadata"] == {
        "_cls": "ImageMetadata",
        "size_bytes": os.path.getsize(images.paths[0]),
        "width": 96,
        "height": 96,
    }
    # Each field of a sample is declared, and none of which nothing is known.
    fields = found["sample_fields"]
    assert {name for s in samples for name in s} == {*fields}
    assert "entropy" not in fields


def test_label_studio_serves_the_images_and_knows_the_choices(images, tmp_path):
    (way,) = ways_out.write(images, tmp_path / "out", ["label_studio"])
    view = ET.parse(way.path / "config.xml").getroot()
    names = [node.get("name") for node in view if node.get("name")]
    (choices,) = view.iter("Choices")
    assert choices.get("toName") in names
    known = [choice.get("value") for choice in choices]
    # XML has no way to write \x01.
    assert {*known} == {*CLASSES[:-1], "\\x01"}

    tasks = read(way.path / "tasks.json")
    columns = {node.get("value")[1:] for node in view if node.get("value")}
    assert all(columns <= {*task["data"]} for task in tasks)
    served = []
    for task in tasks:
        url = urllib.parse.urlsplit(task["data"]["image"])
        assert url.path == "/data/local-files/"
        assert task["data"]["image"].isascii()
        (place,) = urllib.parse.parse_qs(url.query, strict_parsing=True)["d"]
        served.append(os.path.join(os.path.dirname(images.root), place))
        for made in (*task["predictions"], *task.get("annotations", ())):
            (result,) = made["result"]
            assert result["from_name"] == choices.get("name")
            assert result["to_name"] == choices.get("toName")
            assert result["type"] == "choices"
            assert {*result["value"]["choices"]} <= {*known}
    # Those to label next are first, and a name that is no URL is left out.
    order = [5, 3, *(r for r in range(COUNT - 1) if r not in (5, 3))]
    assert served == [images.paths[row] for row in order]
    assert [task["data"]["file"] for task in tasks] == [
        NAMES[row] for row in order
    ]
    assert [t["predictions"][0]["score"] for t in tasks] == [
        (row + 1) / 32 for row in order
    ]
    assert [
        [a["result"][0]["value"]["choices"] for a in task["annotations"]]
        for task in tasks
        if "annotations" in task
    ] == [[["=1+1"]], [["tab\tby"]]]


def test_clusters_are_the_choices_without_labels(images, tmp_path):
    bare = images.table
    for name in ("label", "predicted_label", "predicted_probability"):
        place = bare.column_names.index(name)
        empty = table.make({}, COUNT)[name]
        bare = bare.set_column(place, name, empty)
    images = Outgoing(
        bare, images.root, images.paths, images.embeddings, images.thumbnails
    )
    (way,) = ways_out.write(images, tmp_path, ["label_studio"])
    view = ET.parse(way.path / "config.xml").getroot()
    assert {c.get("value") for c in view.iter("Choice")} == {*CLUSTERS}
    for task in read(way.path / "tasks.json"):
        data = task["data"]
        if "cluster_name" not in data:
            assert "predictions" not in task
            continue
        (prediction,) = task["predictions"]
        assert prediction["score"] == data["cluster_probability"]
        assert prediction["result"][0]["value"]["choices"] == [
            data["cluster_name"]
        ]


class TensorBoard:
    """TensorBoard's own projector, asked as its page asks it."""

    def __init__(self, directory: pathlib.Path) -> None:
        logs = event_multiplexer.EventMultiplexer()
        logs.AddRunsFromDirectory(str(directory))
        logs.Reload()
        context = base_plugin.TBContext(
            logdir=str(directory),
            data_provider=data_provider.MultiplexerDataProvider(
                logs, str(directory)
            ),
            flags=types.SimpleNamespace(),
        )
        self._plugin = projector_plugin.ProjectorPlugin(context)

    def get(self, route: str, **query: str) -> bytes:
        app = self._plugin.get_plugin_apps()[f"/{route}"]
        asked = {"QUERY_STRING": urllib.parse.urlencode(query)}
        wsgiref.util.setup_testing_defaults(asked)
        told: list[str] = []
        body = b"".join(app(asked, lambda status, _: told.append(status)))
        assert told == ["200 OK"], body
        return body


def test_tensorboard_shows_points_names_and_thumbnails(images, tmp_path):
    (way,) = ways_out.write(images, tmp_path, ["tensorboard"])
    board = TensorBoard(way.path)
    assert json.loads(board.get("runs")) == ["."]
    (entry,) = json.loads(board.get("info", run="."))["embeddings"]
    assert entry["tensorShape"] == [COUNT, 5]
    asked = {"run": ".", "name": entry["tensorName"]}
    points = np.frombuffer(board.get("tensor", **asked), np.float32)
    np.testing.assert_allclose(
        points.reshape(COUNT, 5), images.embeddings, rtol=1e-4
    )
    # The page splits the lines, and then the cells.
    header, *lines = board.get("metadata", **asked).decode().split("\n")
    columns = header.split("\t")
    assert lines.pop() == ""
    cells = [
        dict(zip(columns, line.split("\t"), strict=True)) for line in lines
    ]
    assert len(cells) == COUNT
    files = [row["file"] for row in cells]
    assert files[0] == "=HYPERLINK(0).png"
    assert files[4] == r"line\nend.png"
    assert files[6] == r"tab\tname.png"
    assert files[8] == "עברית.png"
    assert cells[3]["cluster_name"] == ""
    assert cells[1]["label"] == r"tab\tby"
    assert "neighbour_label" not in columns  # Of which nothing is known.

    side, _ = entry["sprite"]["singleImageDim"]
    with Image.open(io.BytesIO(board.get("sprite_image", **asked))) as sheet:
        across = sheet.width // side
        for row, path in enumerate(images.paths):
            corner = side * (row % across), side * (row // across)
            with Image.open(path) as image:
                np.testing.assert_allclose(
                    sheet.getpixel(corner), image.getpixel((0, 0)), atol=6
                )


def test_tensorboard_gets_a_spread_of_many(images, tmp_path, monkeypatch):
    monkeypatch.setattr(projector_files, "MOST_POINTS", 3)
    (way,) = ways_out.write(images, tmp_path, ["tensorboard"])
    assert way.remark == f"left out {COUNT - 3} of {COUNT}, evenly"
    points = np.loadtxt(way.path / "embeddings.tsv")
    np.testing.assert_allclose(points, images.embeddings[[0, 4, 8]], rtol=1e-4)
    lines = (way.path / "metadata.tsv").read_text("utf-8").splitlines()
    assert [line.split("\t")[0] for line in lines[1:]] == [
        NAMES[0], r"line\nend.png", NAMES[8]
    ]  # fmt: skip


def test_each_row_of_the_table_has_its_thumbnail(images, tmp_path, monkeypatch):
    monkeypatch.setattr(thumbnail_table, "_ROWS", 5)
    (way,) = ways_out.write(images, tmp_path, ["thumbnails"])
    found = pq.read_table(way.path)
    assert found.column_names == [*images.table.column_names, "image"]
    # As texts, since one cell is NaN, which equals nothing.
    assert str(found.drop_columns("image").to_pylist()) == str(
        images.table.to_pylist()
    )
    for row, file, path in zip(
        found["image"].to_pylist(),
        images.table["file"].to_pylist(),
        images.paths,
        strict=True,
    ):
        # Hugging Face's `datasets` calls them so, and both are read by it.
        assert {*row} == {"bytes", "path"}
        assert row["path"] == file
        with (
            Image.open(path) as image,
            Image.open(io.BytesIO(row["bytes"])) as thumbnail,
        ):
            np.testing.assert_allclose(
                thumbnail.getpixel((9, 9)), image.getpixel((9, 9)), atol=6
            )


def found_links(place: pathlib.Path) -> dict[str, str]:
    """The links below a folder, and what they lead to."""
    return {
        str(path.relative_to(place)): os.path.realpath(path)
        for path in place.rglob("*")
        if path.is_symlink()
    }


def test_links_lead_to_the_images_of_each_cluster_and_group(images, tmp_path):
    # Links in the way must not lead astray.
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "out").symlink_to("deep/er")
    (way,) = ways_out.write(images, tmp_path / "out", ["links"])
    made = found_links(way.path)
    clusters = {
        0: "clusters/0 cats _ dogs",
        1: "clusters/1 =1__",
        2: "clusters/2 _b",
        3: "clusters/no cluster",
    }
    for row, path in enumerate(images.paths):
        (name,) = [
            name
            for name, target in made.items()
            if target == path and name.startswith("clusters/")
        ]
        assert os.path.dirname(name) == clusters[row % 4]
        assert name.endswith(".png")
        assert not os.path.isabs(os.readlink(way.path / name))
    groups = {n: t for n, t in made.items() if n.startswith("duplicates/")}
    assert groups == {
        "duplicates/0/keep - same.png": images.paths[2],
        "duplicates/0/resized - SAME.png": images.paths[3],
    }
    assert len(made) == COUNT + 2
    for name in made:
        for part in name.split("/"):
            assert part == part.strip(" .").lstrip("-")
            assert part.isprintable()
            assert not {*part} & {*'<>:"\\|?*'}


def test_links_are_made_again_and_what_is_a_user_s_stays(images, tmp_path):
    (way,) = ways_out.write(images, tmp_path, ["links"])
    first = found_links(way.path)
    folder = way.path / "clusters" / "0 cats _ dogs"
    own = folder / "=HYPERLINK(0).png"
    own.unlink()
    own.write_text("mine")
    moved = way.path / "clusters" / "2 _b" / "moved.png"
    (way.path / "clusters" / "no cluster" / "SAME.png").rename(moved)

    ways_out.write(images, tmp_path, ["links"])
    assert own.read_text() == "mine"
    again = found_links(way.path)
    assert again.pop("clusters/2 _b/moved.png") == images.paths[3]
    assert (
        again.pop("clusters/0 cats _ dogs/=HYPERLINK(0) (2).png")
        == (images.paths[0])
    )
    first.pop("clusters/0 cats _ dogs/=HYPERLINK(0).png")
    assert again == first

    links.remove(way.path)
    assert {str(p.relative_to(way.path)) for p in way.path.rglob("*.png")} == {
        "clusters/0 cats _ dogs/=HYPERLINK(0).png",
        "clusters/2 _b/moved.png",
    }
    assert not (way.path / "duplicates").exists()
    (way.path / links.MADE).write_text('{"../../photos/cat": 3, "/": "x"}')
    links.remove(way.path)
    (way.path / links.MADE).write_text("[")
    links.remove(way.path)


def test_images_of_one_name_do_not_hide_each_other(images, tmp_path):
    names = ["a.png", "A.png", "a (2).png", "a.png", "...", "é" * 200 + ".png"]
    used: dict[str, int] = {}
    made = [links._free(tmp_path, "c", name, used) for name in names]
    assert made[:5] == [
        "c/a.png", "c/A (2).png", "c/a (2) (2).png", "c/a (3).png", "c/image"
    ]  # fmt: skip
    assert len(os.fsencode(made[5])) <= 202
    assert made[5].endswith("é.png")


def test_an_output_without_links_ends_in_a_sentence(
    images, tmp_path, monkeypatch
):
    def refuse(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", refuse)
    with pytest.raises(InputError, match=r"--formats.*another disk"):
        ways_out.write(images, tmp_path, ["links"])
