"""Folders that are looked through from the flags to the tables."""

from __future__ import annotations

import csv
import json
import pathlib
import shutil

import keras
import numpy as np
import pyarrow.parquet
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_sample_images
from sklearn.neighbors import NearestNeighbors

from and_tf.exploring import encoder as encoder_module
from and_tf.exploring import explorer, serving
from and_tf.exploring.config import ExploreConfig
from and_tf.utils.errors import InputError

SIDE, EACH = 64, 24  # Pixels of a photo, and photos of each class.
CLASSES = ("china", "flower")


@pytest.fixture(scope="session")
def encoder(tmp_path_factory) -> str:
    """A file of an encoder that averages an image down to 8×8 pixels."""
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.AveragePooling2D(4)(inputs)
    model = keras.Model(inputs, keras.layers.Flatten()(x))
    path = tmp_path_factory.mktemp("encoder") / "means.keras"
    model.save(path)
    return str(path)


@pytest.fixture
def photos(tmp_path) -> pathlib.Path:
    """A folder of parts of two photographs that do not overlap."""
    root = tmp_path / "photos"
    for name, photo in zip(CLASSES, load_sample_images().images, strict=True):
        (root / name).mkdir(parents=True)
        places = [
            (r, c) for r in range(0, 384, SIDE) for c in range(0, 512, SIDE)
        ]
        for number, (row, column) in enumerate(places[:EACH]):
            part = photo[row : row + SIDE, column : column + SIDE]
            Image.fromarray(part).save(root / name / f"{number:02}.png")
    return root


@pytest.fixture
def explore(photos, encoder, tmp_path):
    """Returns a function that explores the folder and returns its table."""

    def run(**changes) -> dict[str, list]:
        config = ExploreConfig(
            **{
                "images": str(photos),
                "output": str(tmp_path / "explored"),
                "encoder": encoder,
                "embedding_dim": 16,
                "neighbours": 5,
                "clusters": 2,
                **changes,
            }
        )
        explorer.explore(config)
        path = config.output_directory / "images.parquet"
        return pyarrow.parquet.read_table(path).to_pydict()

    return run


def rows_of(path: pathlib.Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_folder_is_looked_through(photos, explore, tmp_path, capsys):
    photo = Image.open(photos / "china" / "20.png")
    photo.save(photos / "china" / "again.jpg", quality=60)
    Image.new("RGB", (SIDE, SIDE)).save(photos / "black.png")
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    shutil.move(photos / "flower" / "05.png", photos / "china" / "wrong.png")

    formats = "fiftyone,label_studio,tensorboard,thumbnails,links"
    table = explore(labels="folders", select=3, formats=formats)

    output = tmp_path / "explored"
    row = {file: number for number, file in enumerate(table["file"])}
    assert len(row) == 2 * EACH + 2
    assert list(row) == sorted(row)
    # Labels are those of the folders.
    assert table["label"][row["china/07.png"]] == "china"
    assert table["label"][row["black.png"]] is None
    # The copy is a duplicate, and the original has more of it.
    one, other = row["china/20.png"], row["china/again.jpg"]
    assert table["duplicate_group"][one] == table["duplicate_group"][other] >= 0
    assert table["keep"][one] and not table["keep"][other]
    assert table["duplicate_kind"][other] in ("recompressed", "edited")
    listed = {r["file"] for r in rows_of(output / "duplicates.csv")}
    assert listed == {"china/20.png", "china/again.jpg"}
    # What cannot be read is listed with its reason.
    (left,) = rows_of(output / "left_out.csv")
    assert left["file"] == "broken.png"
    assert "blank" in table["issues"][row["black.png"]]
    assert not table["issues"][row["flower/00.png"]]
    # Two clusters and the names of what is in them.
    assert {*table["cluster"]} == {0, 1}
    assert {r["name"] for r in rows_of(output / "clusters.csv")} <= {
        "china", "flower", "cluster 0", "cluster 1",
    }  # fmt: skip
    # Three images to label, none of which has a label.
    chosen = [n for n in table["select_order"] if n is not None]
    assert sorted(chosen) == [0]  # Only one image has none.
    assert rows_of(output / "to_label.csv")[0]["file"] == "black.png"
    told = json.loads((output / "explore.json").read_text())
    assert told["count"] == len(row) and told["left_out"] == 1
    assert told["labels_seen"] == "unknown labels"
    printed = capsys.readouterr().out
    assert "left out 1 that cannot be read" in printed
    # Other tools get the same rows.
    assert f"tensorboard --logdir {output / 'tensorboard'}" in printed
    points = np.loadtxt(output / "tensorboard" / "embeddings.tsv")
    assert points.shape == (len(row), 16)
    samples = json.loads((output / "fiftyone.json").read_text())["samples"]
    assert [s["filepath"] for s in samples] == [str(photos / f) for f in row]
    assert "duplicate" in samples[other]["tags"]
    links = [*(output / "links" / "clusters").rglob("*.*")]
    assert {str(link.resolve()) for link in links} == {
        str(photos / file) for file in row
    }


def test_neighbours_are_the_nearest_in_the_whitened_space(photos, explore):
    table = explore()
    pixels = np.stack([
        np.asarray(Image.open(photos / file)) for file in table["file"]
    ]).astype(float)  # fmt: skip
    # 64 pixels become 32 become 8: means of 8×8.
    means = pixels.reshape(-1, 8, 8, 8, 8, 3).mean((2, 4)).reshape(-1, 192)
    centred = means - means.mean(0)
    _, scales, axes = np.linalg.svd(centred, full_matrices=False)
    values = scales[:16] ** 2 / (len(means) - 1)
    rows = centred @ axes[:16].T * values**-0.25  # Power 1/2 of variances.
    found = NearestNeighbors(n_neighbors=6, metric="cosine").fit(rows)
    distance, index = found.kneighbors(rows)
    theirs = np.array([n["ids"] for n in table["neighbors"]])
    # Resizing rounds to 8 bits, so a few close ones change places.
    same = [len({*a} & {*b}) for a, b in zip(index[:, 1:], theirs, strict=True)]
    assert np.mean(same) > 4.8
    told = np.array([n["distances"] for n in table["neighbors"]])
    np.testing.assert_allclose(told, distance[:, 1:], atol=0.02)
    named = [[table["file"][n] for n in ids] for ids in theirs.tolist()]
    assert named == table["neighbour_files"]


def test_a_second_time_only_new_images_are_embedded(
    photos, explore, monkeypatch
):
    before = explore()
    seen = []
    from and_tf.exploring import measuring

    look = measuring._look
    monkeypatch.setattr(
        measuring,
        "_look",
        lambda file, *rest: seen.append(file.name) or look(file, *rest),
    )
    assert explore() == before
    assert not seen
    shutil.copy(photos / "china" / "01.png", photos / "china" / "new.png")
    after = explore()
    assert seen == ["china/new.png"]
    assert len(after["file"]) == len(before["file"]) + 1


def test_all_devices_of_a_strategy_give_the_same_rows(
    explore, monkeypatch, tmp_path
):
    alone = explore()
    measured = tmp_path / "explored" / "measured"
    (mark,) = [path.name for path in measured.iterdir()]
    shutil.rmtree(measured)
    shared = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    monkeypatch.setattr(
        encoder_module.strategies, "of_this_process", lambda: shared
    )
    sizes, split = [], shared.experimental_distribute_values_from_function

    def watched(function):
        found = split(function)
        sizes.append([len(part) for part in found.values])
        return found

    monkeypatch.setattr(
        shared, "experimental_distribute_values_from_function", watched
    )
    assert explore() == alone
    assert sizes == [[32, 32]]
    # With other devices, what is there is not measured again.
    assert [path.name for path in measured.iterdir()] == [mark]


def test_names_of_clusters_stay_when_images_are_added(
    photos, explore, tmp_path
):
    first = explore()
    names = tmp_path / "names.csv"
    names.write_text("cluster,name\n0,=mine\n1,yours\n")
    explore(names=str(names))
    Image.new("RGB", (SIDE, SIDE), "red").save(photos / "red.png")
    again = explore(seed=3)
    named = dict(zip(again["file"], again["cluster_name"], strict=True))
    of_before = dict(zip(first["file"], first["cluster"], strict=True))
    told = ("=mine", "yours")
    kept = [named[file] == told[c] for file, c in of_before.items()]
    assert np.mean(kept) > 0.9
    # Assigned images go to the centres that are there.
    assigned = explore(assign=True)
    assert {*assigned["cluster_name"]} == {*told}


def test_images_of_the_reference_and_of_splits_are_leaks(
    photos, explore, tmp_path, monkeypatch
):
    for split, name in (("train", "china"), ("test", "flower")):
        (photos / split).mkdir()
        shutil.move(photos / name, photos / split / name)
    leaked = photos / "train" / "china" / "copy.png"
    shutil.copy(photos / "test" / "flower" / "03.png", leaked)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(photos / "train" / "china" / "04.png", other / "x.png")
    Image.new("RGB", (SIDE, SIDE), "red").save(other / "not_served.png")
    servers = []
    monkeypatch.setattr(serving, "serve", servers.append)
    table = explore(reference=str(other), serve=True, port=0)
    assert {*table["split"]} == {"train", "test"}
    assert [
        (file, original, kind)
        for file, original, kind in zip(
            table["file"], table["reference_file"], table["reference_kind"]
        )
        if original or kind
    ] == [("train/china/04.png", "x.png", "exact")]
    found = rows_of(tmp_path / "explored" / "leaks.csv")
    pairs = {(r["file"], r["other_split"], r["kind"]) for r in found}
    assert pairs == {
        ("test/flower/03.png", "train", "exact"),
        ("train/china/04.png", "reference", "exact"),
    }
    # The page shows the original, and its server sends that one alone.
    (server,), count = servers, len(table["file"])
    assert server.image(count).data == (other / "x.png").read_bytes()
    with pytest.raises(Exception, match="no such row"):
        server.image(count + 1)
    server.server_close()
    written = (tmp_path / "explored" / "page" / "data.js").read_text()
    page = json.loads(written.partition("=")[2])
    assert page["count"] == count
    assert page["roots"] == {"images": "../photos", "reference": "../other"}


def test_folders_that_are_one_are_told(photos, explore):
    with pytest.raises(InputError, match="has all of --images"):
        explore(images=str(photos / "china"), reference=str(photos))
    with pytest.raises(InputError, match="than --images"):
        explore(output=str(photos / "china" / ".."))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"output": __file__}, "Expected a directory for --output"),
        ({"images": "/nowhere"}, "folder of images for --images"),
        ({"encoder": "small"}, "Expected --weights with --encoder=small"),
        ({"clusters": 1000}, "--clusters of at most 48"),
        ({"assign": True}, "for --assign. Received none"),
        ({"run_dir": "x"}, "--run_dir or --encoder"),
        (
            {"run_dir": "x", "encoder": "", "image_size": 64},
            "--image_size with --encoder alone",
        ),
        ({"checkpoint": "best"}, "--checkpoint with --run_dir alone"),
        ({"cluster_by": "hdbscan"}, "--clusters with --cluster_by=kmeans"),
        ({"labels": "/nowhere.csv"}, "Expected a table for --labels"),
    ],
)
def test_what_does_not_fit_is_told(explore, tmp_path, changes, words):
    with pytest.raises(InputError, match=words):
        explore(**changes)
    # Before anything was measured, but for what depends on the images.
    assert "clusters" in changes or not (tmp_path / "explored").exists()


def test_a_folder_without_images_is_told(explore, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="Expected images below --images"):
        explore(images=str(tmp_path / "none"))


def test_one_image_is_looked_through(photos, explore):
    shutil.rmtree(photos / "flower")
    for path in sorted((photos / "china").iterdir())[1:]:
        path.unlink()
    # The page is among the images, and none of them.
    for _ in range(2):
        table = explore(clusters=0, output=str(photos / "explored"))
    assert table["file"] == ["china/00.png"]
    assert table["neighbour_files"] == [[]]
