"""Search: exact, with the right model, and with a picture where one can be."""

from __future__ import annotations

import json
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

from and_tf.utils.errors import InputError
from export.embeddings import encoders, tables
from export.embeddings.extraction import extract
from export.embeddings.index import Index
from export.embeddings.sources import open_source
from tests import mains
from tests.export import stand_in
from tests.utils.cli_test import call

IMAGES = stand_in.images(12)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A directory with a model, images of two classes and their table."""
    path = tmp_path_factory.mktemp("finished")
    stand_in.saved_model(path / "model")
    for i, image in enumerate(IMAGES):
        (path / "photos" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path / f"photos/{'ab'[i % 2]}/{i:02}.png")
    Image.fromarray(stand_in.images(1, seed=9)[0]).save(path / "query.png")
    source = open_source(str(path / "photos"))
    encoder = encoders.load(path / "model")
    extract(encoder, source, path / "t.npz", model=str(path / "model"))
    return path


@pytest.fixture
def place(finished, tmp_path) -> pathlib.Path:
    """A copy, for those who change something."""
    return shutil.copytree(finished, tmp_path / "place")


def name(number: int) -> str:
    return f"{'ab'[number % 2]}/{number:02}.png"


def nearest(query: np.ndarray) -> list[str]:
    """Names of all images, most similar first, as NumPy sees it."""
    similarity = stand_in.embed(IMAGES) @ stand_in.embed(query[None])[0]
    return [name(number) for number in np.argsort(-similarity)]


def test_neighbours_of_an_image_are_those_of_numpy(finished):
    index = Index.read(finished / "t.npz")
    query = index.query(str(finished / "query.png"))
    rows, similarities = index.search(query, 12)
    found = [index.table.file_names[row] for row in rows]
    assert found == nearest(stand_in.images(1, seed=9)[0])
    assert (np.diff(similarities) <= 0).all()
    np.testing.assert_allclose(
        similarities, index.table.embeddings[rows] @ query.embedding, atol=1e-6
    )


def test_an_indexed_image_is_its_own_nearest(finished):
    index = Index.read(finished / "t.npz")
    query = index.query(str(finished / "photos" / name(5)))
    rows, similarities = index.search(query, 1)
    assert index.table.file_names[rows[0]] == name(5)
    assert similarities[0] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("number", [0, 5, 11])
def test_a_row_is_no_neighbour_of_its_own(finished, number):
    index = Index.read(finished / "t.npz")
    query = index.query(name(number), model="not needed")
    rows, _ = index.search(query, 11)
    found = [index.table.file_names[row] for row in rows]
    assert [name(number), *found] == nearest(IMAGES[number])
    with pytest.raises(InputError, match="at most 11, .* Received: 12"):
        index.search(query, 12)


def test_a_larger_query_is_seen_as_its_clean_view(finished, tmp_path):
    large = IMAGES[3].repeat(5, axis=0).repeat(5, axis=1)
    Image.fromarray(np.pad(large, ((0, 0), (7, 7), (0, 0)))).save(
        tmp_path / "large.png"
    )
    index = Index.read(finished / "t.npz")
    rows, _ = index.search(index.query(str(tmp_path / "large.png")), 1)
    assert index.table.file_names[rows[0]] == name(3)


def test_pictures_are_the_images(finished):
    index = Index.read(finished / "t.npz")
    rows = [4, 0]
    numbers = [int(index.table.file_names[row][2:4]) for row in rows]
    np.testing.assert_array_equal(index.pictures(rows), IMAGES[numbers])


def test_pictures_that_moved(place):
    index = Index.read(place / "t.npz")
    (place / "photos").rename(place / "moved")
    index.about["root"] = index.about["images"] = str(place / "photos")
    with pytest.raises(InputError, match="none of those found, such as a/00"):
        index.pictures([0])
    (found,) = index.pictures([0], str(place / "moved"))
    np.testing.assert_array_equal(found, IMAGES[0])


def test_another_model_is_refused(place):
    stand_in.saved_model(place / "other", seed=1)
    index = Index.read(place / "t.npz")
    with pytest.raises(InputError, match="Expected the model that made .*oth"):
        index.query(str(place / "query.png"), str(place / "other"))
    shutil.copytree(place / "model", place / "same")
    index.query(str(place / "query.png"), str(place / "same"))


def test_another_dimension_is_refused(place, monkeypatch):
    monkeypatch.setattr(stand_in, "DIM", 3)
    stand_in.saved_model(place / "small")
    index = Index.read(place / "t.npz")
    with pytest.raises(InputError, match="with 16 dimensions.* with 3"):
        index.query(str(place / "query.png"), str(place / "small"))


def test_without_a_sidecar_the_model_has_to_be_named(place):
    tables.sidecar(place / "t.npz").unlink()
    index = Index.read(place / "t.npz")
    query = str(place / "query.png")
    with pytest.raises(InputError, match="t.npz.json.*with --model"):
        index.query(query)
    index.query(query, str(place / "model"))
    with pytest.raises(InputError, match="Name them with --images"):
        index.pictures([0])


def test_a_model_that_is_gone(place):
    index = Index.read(place / "t.npz")
    index.about["model"] = str(place / "gone")
    with pytest.raises(InputError, match="gone, which is not there"):
        index.query(str(place / "query.png"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "t.npz.json: input data was truncated"),
        ("null", "t.npz.json: expected `object`, got `null`"),
        ('{"count": "13"}', "expected `int`, got `str`"),
        ('{"count": 2, "images": 3}', "expected `str`, got `int`"),
        ('{"model": ["x"]}', "expected `str`, got `array`"),
        ('{"count": 13}', "Expected 13 rows"),
    ],
)
def test_a_sidecar_of_other_content(place, text, message):
    tables.sidecar(place / "t.npz").write_text(text)
    with pytest.raises(InputError, match=message):
        Index.read(place / "t.npz")


def test_queries_that_are_none(place):
    index = Index.read(place / "t.npz")
    with pytest.raises(InputError, match="such as a/00.png. .*nowhere.png"):
        index.query("nowhere.png")
    (place / "text.png").write_text("text")
    with pytest.raises(InputError, match="text.png, which cannot be read"):
        index.query(str(place / "text.png"))


def test_the_command_prints_and_draws(place, monkeypatch, capsys):
    note = tables.sidecar(place / "t.npz")
    about = json.loads(note.read_text())
    note.write_text(json.dumps({**about, "root": "photos"}))
    arguments = "export.search", "--index=t.npz", "--query=query.png"
    result = call(*arguments, "--neighbours=3", "--model=model", cwd=place)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    head, *lines, last = result.stdout.splitlines()
    assert head.split() == ["rank", "similarity", "image"]
    found = nearest(stand_in.images(1, seed=9)[0])[:3]
    for rank, (line, image) in enumerate(zip(lines, found, strict=True), 1):
        assert line.split()[0] == str(rank)
        assert line.endswith(f"{image}  ({image[0]})")
    assert last == "wrote query_neighbours.png"
    with Image.open(place / "query_neighbours.png") as picture:
        assert picture.format == "PNG" and picture.width > 800

    (place / "photos").rename(place / "moved")
    monkeypatch.chdir(place)
    module, *flags = arguments
    mains.run(module, [*flags, "--model=model", "--output=p.png"])
    again = capsys.readouterr().out.splitlines()
    assert again[1:4] == lines
    assert again[-1].startswith("no picture: Expected the")
    assert not (place / "p.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "error: Expected --index, "),
        (["--index=t.npz"], "error: Expected --query, "),
        (
            ["--index=t.npz", "--query=query.png", "--output=p.jpg"],
            "Expected --output to end in .png",
        ),
        (
            ["--index=t.npz", "--query=query.png", "--output=query.png"],
            "query.png, which is there already",
        ),
        (
            ["--index=t.npz", "--query=query.png", "--neighbours=0"],
            "--neighbours of at least 1. Received: 0",
        ),
        (["--index=gone.npz", "--query=query.png"], "gone.npz, which is not"),
    ],
)
def test_wrong_flags_end_in_one_sentence(
    finished, arguments, message, monkeypatch, capsys
):
    monkeypatch.chdir(finished)
    printed = mains.refusal("export.search", arguments, capsys)
    assert message in printed.err
