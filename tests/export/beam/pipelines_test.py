"""Pipelines give what the commands without Beam give, on this machine."""

from __future__ import annotations

import json
import os
import pathlib

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from apache_beam.testing.util import assert_that, equal_to
from PIL import Image

from and_tf.data import image_file
from and_tf.data.preprocessing import centre_square
from and_tf.exploring import duplicates
from and_tf.search.nearest import nearest
from export.beam import images, pipelines
from export.beam.images import ImageFile
from export.embeddings import encoders, extraction, sources, tables
from tests import mains
from tests.exploring import photographs
from tests.export import stand_in

COUNT = 50
LISTED = ["photos/a/00.png", "photos/b/01.png", "photos/gone.png"]


def run(job: str, **flags: object) -> None:
    mains.run(
        f"export.beam.{job}", [f"--{name}={v}" for name, v in flags.items()]
    )


def read(prefix: pathlib.Path) -> dict[str, dict]:
    """Reads all files of a table; rows by their names."""
    paths = sorted(prefix.parent.glob(f"{prefix.name}-*-of-*.parquet"))
    rows = pa.concat_tables([pq.read_table(path) for path in paths])
    found = {row["file_name"]: row for row in rows.to_pylist()}
    assert len(found) == len(rows)
    return found


def lines(prefix: pathlib.Path) -> dict[str, dict]:
    path = prefix.with_name(f"{prefix.name}_unreadable-00000-of-00001.jsonl")
    rows = map(json.loads, path.read_text().splitlines())
    return {row["file_name"]: row for row in rows}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> pathlib.Path:
    """Photos in two folders, two of which are broken, and a model."""
    place = tmp_path_factory.mktemp("beam")
    rng = np.random.default_rng(0)
    for i in range(COUNT):
        path = place / "photos" / "ab"[i % 2] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = 8 + i % 3, 9 + i % 5, 3
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(path)
    (place / "photos/a/06.png").write_bytes(b"not an image")
    whole = (place / "photos/b/13.png").read_bytes()
    (place / "photos/b/11.png").write_bytes(whole[:90])
    stand_in.saved_model(place / "model")
    return place


@pytest.fixture(scope="module")
def embedded(place) -> pathlib.Path:
    prefix = place / "tables" / "photos"
    run(
        "embed",
        model=place / "model",
        images=place / "photos",
        output=prefix,
        shards=3,
        batch_size=16,
    )
    return prefix


def test_embeddings_are_those_of_export_embed(place, embedded):
    source = sources.open_source(str(place / "photos"))
    encoder = encoders.load(place / "model")
    extraction.extract(encoder, source, place / "whole.parquet", batch_size=16)
    wanted = tables.read(place / "whole.parquet")

    found = read(embedded)
    assert len(list(embedded.parent.glob("photos-*-of-00003.parquet"))) == 3
    assert set(found) == set(wanted.file_names)
    np.testing.assert_allclose(
        [found[name]["embedding"] for name in wanted.file_names],
        wanted.embeddings,
        atol=1e-6,
    )
    unread = lines(embedded)
    assert set(unread) == {"a/06.png", "b/11.png"}
    assert unread["a/06.png"]["reason"] == "that cannot be read"
    assert "cannot identify" in unread["a/06.png"]["error"]


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_lists_of_paths_name_an_image_once(place, ending):
    listed = write_list(place, ending)
    with beam.Pipeline(options=pipelines.read_options([])) as pipeline:
        files = images.read(pipeline, images.find(str(listed)))
        wanted = [ImageFile(n, os.fsencode(place / n)) for n in LISTED]
        assert_that(files, equal_to(wanted))


def write_list(place: pathlib.Path, ending: str) -> pathlib.Path:
    """Lists two images, one that is not there, and the first once more."""
    rows = [{"label": "x", "path": name} for name in [*LISTED, LISTED[0]]]
    path = place / f"list{ending}"
    if ending == ".csv":
        texts = [f"x,{row['path']}" for row in rows]
        path.write_text("\n".join(["label,path", *texts]))
    elif ending == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_a_listed_image_that_is_gone_is_told(place):
    listed, prefix = write_list(place, ".csv"), place / "of_list"
    run("embed", model=place / "model", images=listed, output=prefix)
    assert set(read(prefix)) == set(LISTED[:2])
    assert set(lines(prefix)) == {LISTED[2]}


def test_neighbours_are_those_of_the_search_in_whatever_files(place, embedded):
    run("neighbours", index=embedded, output=place / "near", neighbours=6)
    found = read(place / "near")
    rows = read(embedded)
    names = sorted(rows)
    vectors = np.array([rows[name]["embedding"] for name in names], np.float32)
    wanted = nearest(vectors, vectors, 6, exclude_self=True)
    for name, index, similarity in zip(
        names, wanted.index, wanted.similarity, strict=True
    ):
        row = found[name]
        assert row["neighbour_files"] == [names[i] for i in index]
        np.testing.assert_allclose(row["similarities"], similarity, atol=1e-6)

    whole = pa.Table.from_pylist([rows[name] for name in reversed(names)])
    vector = pa.list_(pa.float32(), stand_in.DIM)
    schema = pa.schema([("file_name", pa.string()), ("embedding", vector)])
    pq.write_table(whole.cast(schema), place / "one.parquet", row_group_size=9)
    run(
        "neighbours",
        index=place / "one.parquet",
        output=place / "again",
        neighbours=6,
        shards=1,
    )
    assert read(place / "again") == found


class _Clusters(tf.Module):
    """Three clusters, by the mean of each colour."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, None, 3], tf.uint8, "images")
        ]
    )
    def classify(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        means = tf.reduce_mean(tf.cast(images, tf.float32), [1, 2])
        found = tf.nn.softmax(means)
        cluster = tf.argmax(found, axis=1)
        names = tf.gather(["red", "green", "blue"], cluster)
        return {"cluster": cluster, "name": names, "probabilities": found}


def test_clusters_are_those_of_the_saved_model(place):
    model, path = _Clusters(), place / "clusters" / "1"
    signatures = {"classify": model.classify.get_concrete_function()}
    tf.saved_model.save(model, str(path), signatures)
    (path / "assets.extra").mkdir()
    note = {"image_size": 8, "embedding_dim": 16}
    (path / "assets.extra" / "encoder.json").write_text(json.dumps(note))
    flags = {"model": path.parent, "images": place / "photos"}
    run("assign", **flags, output=place / "assigned", batch_size=16)

    found = read(place / "assigned")
    source = sources.open_source(str(place / "photos"))
    readable = {
        source.name(i): image_file.read_or_none(file)
        for i, file in enumerate(source.files)
    }
    wanted = {}
    for name, image in readable.items():
        if image is not None:
            means = centre_square(image, 8).numpy().mean((0, 1))
            cluster = int(means.argmax())
            wanted[name] = (cluster, ("red", "green", "blue")[cluster])
            probability = 1 / np.exp(means - means.max()).sum()
            assert found[name]["probability"] == pytest.approx(
                probability, rel=1e-4
            )
    assert wanted == {
        name: (row["cluster"], row["name"]) for name, row in found.items()
    }
    with pytest.raises(SystemExit):
        run("assign", model=place / "model", images=place, output=place / "no")


def test_duplicates_are_the_groups_of_explore(tmp_path):
    root, turn = tmp_path / "photos", Image.Transpose
    (root / "more").mkdir(parents=True)
    tiles = [tile.resize((320, 320)) for tile in photographs.tiles()[:12]]
    for number, tile in enumerate(tiles):
        tile.save(root / f"{number:02}.png")
    tiles[0].resize((150, 150)).save(root / "more" / "00.jpg")
    tiles[8].transpose(turn.FLIP_LEFT_RIGHT).save(root / "08m.jpg")
    tiles[10].crop((30, 10, 290, 270)).save(root / "10c.jpg", quality=92)
    tiles[10].save(root / "10q.jpg", quality=50)
    for name in ("11c.png", "more/11c.png"):
        (root / name).write_bytes((root / "11.png").read_bytes())
    (root / "bad.jpg").write_bytes(b"x")
    measured = photographs.measure(root, tmp_path / "store")
    index = photographs.nearest(measured)
    wanted = duplicates.find(measured, index)

    near = [
        {"file_name": file, "neighbour_files": [measured.file[n] for n in row]}
        for file, row in zip(measured.file, index.tolist(), strict=True)
    ]
    for part in range(2):
        some = pa.Table.from_pylist(near[part::2])
        pq.write_table(some, tmp_path / f"near-0000{part}-of-00002.parquet")
    run(
        "duplicates",
        images=root,
        neighbours=tmp_path / "near",
        output=tmp_path / "found",
        shards=3,
    )
    found = read(tmp_path / "found")
    assert found == {
        file: {
            "group": group,
            "file_name": file,
            "kind": kind or None,
            "keep": keep,
        }
        for file, group, kind, keep in zip(
            measured.file,
            wanted.group.tolist(),
            wanted.kind,
            wanted.keep.tolist(),
            strict=True,
        )
        if group >= 0
    }
    kinds = {row["kind"] for row in found.values()}
    assert {"cropped", "mirrored", "resized", "exact"} <= kinds
    assert set(lines(tmp_path / "found")) == {"bad.jpg"}


@pytest.mark.parametrize(
    ("job", "flags", "says"),
    [
        ("embed", {"modle": "x"}, "Received: --modle"),
        ("embed", {"direct_num_workers": "many"}, "invalid int value"),
        ("embed", {"runner": "NoRunner"}, "NoRunner"),
        ("embed", {"model": "photos"}, "Expected saved_model.pb"),
        ("embed", {"images": "gone"}, "which is not there"),
        ("embed", {"images": "data:manifest/test"}, "to be files"),
        ("embed", {"images": "s3://bucket/x*"}, "that Apache Beam can read"),
        ("embed", {"images": "only_bad"}, "none of which can be read"),
        ("embed", {"images": "plain.csv"}, "Expected a column path"),
        ("embed", {"output": "tables/photos"}, "Expected a new --output"),
        ("neighbours", {"index": "gone"}, "which matches none"),
        ("neighbours", {"index": "cut"}, "Expected all files of one table"),
        ("neighbours", {"index": "list.parquet"}, "without file_name"),
        ("neighbours", {"neighbours": 48}, "Expected --neighbours below 48"),
        ("neighbours", {"index": "tw*.parquet"}, "Expected each file_name"),
        ("duplicates", {"neighbours": "model"}, "which matches none"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(
    place, embedded, monkeypatch, capsys, job, flags, says
):
    monkeypatch.chdir(place)
    (place / "only_bad").mkdir(exist_ok=True)
    (place / "only_bad" / "x.png").write_bytes(b"x")
    (place / "plain.csv").write_text("image\nphotos/a/00.png\n")
    (place / "cut-00001-of-00002.parquet").write_bytes(b"")
    pq.write_table(pa.table({"path": ["x"]}), "list.parquet")
    for name in ("twice.parquet", "twofold.parquet"):
        # A file may have no rows.
        parts = embedded.parent.glob("photos-*-of-*.parquet")
        part = max(parts, key=lambda path: path.stat().st_size)
        (place / name).write_bytes(part.read_bytes())
    given = {
        "embed": {"model": "model", "images": "photos", "output": "new"},
        "neighbours": {"index": "tables/photos", "output": "new"},
        "duplicates": {"images": "photos", "output": "new"},
    }[job]
    with pytest.raises(SystemExit):
        run(job, **{**given, **flags})
    error = capsys.readouterr().err
    assert says in error and "Traceback" not in error
    assert not list(place.glob("new*-of-*"))
