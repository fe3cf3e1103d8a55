"""Encoders of both formats, against NumPy."""

from __future__ import annotations

import hashlib
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from and_tf.utils.errors import InputError
from export.embeddings import encoders
from tests.export import stand_in


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("models")
    stand_in.saved_model(path / "saved")
    stand_in.tflite(path / "encoder.tflite")
    return path


@pytest.mark.parametrize("name", ["saved", "encoder.tflite"])
def test_embeddings_are_those_of_numpy(models, name):
    encoder = encoders.load(models / name)
    assert encoder.image_size == stand_in.SIZE
    assert encoder.embedding_dim == stand_in.DIM
    for count in (3, 1, 5):
        images = stand_in.images(count)
        embeddings = encoder(images)
        assert embeddings.dtype == np.float32
        np.testing.assert_allclose(
            embeddings, stand_in.embed(images), atol=1e-5
        )


def test_the_highest_version_is_taken(models, tmp_path):
    for version, seed in ((2, 2), (10, 10), (9, 9)):
        stand_in.saved_model(tmp_path / str(version), seed)
    (tmp_path / "11").mkdir()  # Not whole yet.
    encoder = encoders.load(tmp_path)
    images = stand_in.images(2)
    np.testing.assert_allclose(
        encoder(images), stand_in.embed(images, 10), atol=1e-5
    )
    assert encoder.fingerprint == encoders.load(tmp_path / "10").fingerprint


def test_image_size_without_a_note_is_the_signatures(tmp_path):
    path = stand_in.saved_model(tmp_path / "fixed", side=8, note=None)
    assert encoders.load(path).image_size == 8


def test_fingerprints_are_of_the_bytes(models, tmp_path):
    file = models / "encoder.tflite"
    assert (
        encoders.load(file).fingerprint
        == hashlib.sha256(file.read_bytes()).hexdigest()
    )
    saved = encoders.load(models / "saved").fingerprint
    copy = shutil.copytree(models / "saved", tmp_path / "copy")
    assert encoders.load(copy).fingerprint == saved
    other = stand_in.saved_model(tmp_path / "other", seed=1)
    assert encoders.load(other).fingerprint != saved


def _no_signature(path: pathlib.Path) -> None:
    tf.saved_model.save(stand_in.Graph(0), str(path))


def _another_input(path: pathlib.Path) -> None:
    graph = stand_in.Graph(0)
    spec = tf.TensorSpec([None, 8, 8, 3], tf.float32, "pixels")
    function = tf.function(lambda pixels: graph(pixels))
    concrete = function.get_concrete_function(spec)
    tf.saved_model.save(graph, str(path), {"serving_default": concrete})


def _damaged(path: pathlib.Path) -> None:
    stand_in.saved_model(path)
    (path / "saved_model.pb").write_bytes(b"\xffnothing")


def _without_variables(path: pathlib.Path) -> None:
    stand_in.saved_model(path)
    shutil.rmtree(path / "variables")


def _damaged_note(path: pathlib.Path) -> None:
    stand_in.saved_model(path)
    (path / "assets.extra" / "encoder.json").write_text('{"image_size": ')


def _of_no_size(path: pathlib.Path) -> None:
    stand_in.saved_model(path, note=None)


def _run(path: pathlib.Path) -> None:
    path.mkdir()
    (path / "flags.cfg").write_text("--dataset=digits\n")


def _cut_tflite(path: pathlib.Path) -> None:
    path.write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(range(40)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "which is not there"),
        (lambda path: path.write_text("text"), "a file of another kind"),
        (lambda path: path.mkdir(), r"Expected saved_model.pb in .* none\.$"),
        (_run, "It is a run: export it first"),
        (_no_signature, "Expected a signature serving_default"),
        (_another_input, "Received: a signature of pixels to embedding"),
        (_damaged, "Expected a model in .* that can be loaded"),
        (_without_variables, "Expected a model in .* that can be loaded"),
        (_damaged_note, "encoder.json: input data was truncated"),
        (_of_no_size, "encoder.json, or a signature of one fixed image size"),
        (_cut_tflite, "Expected .*cut_tflite"),
    ],
)
def test_what_is_no_encoder_is_refused(tmp_path, make, message):
    path = tmp_path / make.__name__.strip("_<>")
    make(path)
    with pytest.raises(InputError, match=message) as refused:
        encoders.load(path)
    assert "\n" not in str(refused.value)
