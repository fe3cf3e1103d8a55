"""Exported clusterings, held against their Keras models."""

from __future__ import annotations

import json
import pathlib
import shutil
import sys

import keras
import numpy as np
import onnxruntime
import pytest
from ai_edge_litert.interpreter import Interpreter

from and_tf.scan.clustering import Clustering
from and_tf.training.run import Run
from and_tf.utils.errors import InputError
from export import exportable
from export.embeddings import encoders
from export.metadata import describe
from export.serving import client_lib, saved_model_writer
from export.serving.cluster_fidelity import accuracy
from export.serving.servable import Options
from tests import mains
from tests.export import exports
from tests.export.saved_model_test import elsewhere
from tests.small_clustering import cluster


@pytest.fixture(scope="module")
def clustering(digits_run, tmp_path_factory) -> pathlib.Path:
    """The directory of one that was fine-tuned."""
    return cluster(digits_run, tmp_path_factory.mktemp("clustering") / "scan")


@pytest.fixture(scope="module")
def frozen(digits_run, tmp_path_factory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("frozen") / "scan"
    return cluster(
        digits_run, path, freeze=True, augmentation="none", loss="temi"
    )


@pytest.fixture(scope="module")
def exported(clustering, tmp_path_factory) -> pathlib.Path:
    """Its version, with a signature of neighbours too."""
    path = tmp_path_factory.mktemp("exported")
    # That it was asked for by kNN changes nothing: clusters classify.
    options = Options(neighbours=3, classify=True)
    return saved_model_writer.export(exportable.load(clustering), path, options)


@pytest.fixture(scope="module")
def images(digits_run) -> np.ndarray:
    return Run(digits_run).images.test.images


def features(path: pathlib.Path, images: np.ndarray) -> np.ndarray:
    """What the heads see, at unit norm, by NumPy."""
    seen = Clustering(path).scan.trunk.predict(images, verbose=0)
    return seen / np.linalg.norm(seen, axis=1, keepdims=True)


def test_plain_tensorflow_gives_the_same(
    clustering, exported, images, tmp_path
):
    np.save(tmp_path / "images.npy", images)
    script = f"""
import sys
import numpy as np
import tensorflow as tf
model = tf.saved_model.load({str(exported)!r})
images = np.load("images.npy")
files = tf.stack([tf.io.encode_png(image) for image in images])
plain = model.signatures["classify"](images=tf.constant(images))
encoded = model.signatures["classify_bytes"](image_bytes=files)
default = model.signatures["serving_default"](images=tf.constant(images))
np.savez(
    "found.npz",
    **{{k: v.numpy() for k, v in plain.items() if k != "name"}},
    name=plain["name"].numpy().astype(str),
    encoded=encoded["probabilities"],
    embedding=default["embedding"],
)
print(*({{"and_tf", "export", "keras_cv"}} & set(sys.modules)))
"""
    printed = elsewhere(sys.executable, "-I", "-c", script, cwd=tmp_path)
    assert printed.strip() == ""
    expected = Clustering(clustering).classifier.predict(images, verbose=0)
    result = json.loads((clustering / "result.json").read_text())
    with np.load(tmp_path / "found.npz") as found:
        np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)
        np.testing.assert_allclose(found["encoded"], expected, atol=1e-5)
        clusters = found["cluster"]
        assert clusters.dtype == np.int64
        np.testing.assert_array_equal(
            clusters, found["probabilities"].argmax(1)
        )
        classes = np.array(result["matching"])[clusters]
        np.testing.assert_array_equal(found["name"].astype(int), classes)
        np.testing.assert_allclose(
            found["embedding"], features(clustering, images), atol=1e-5
        )


def test_an_image_of_training_is_its_own_neighbour(digits_run, exported):
    train = exports.training_split(digits_run).images[:20]
    found = exports.signatures(exported)["neighbours"](images=train)
    np.testing.assert_array_equal(found["index"][:, 0], np.arange(20))


def test_metadata_say_what_the_outputs_are(clustering, frozen, exported):
    text = (exported / saved_model_writer.EXTRA / "encoder.json").read_text()
    described = json.loads(text)
    assert described["kind"] == "scan"
    assert described["embedding"].startswith("the features that the heads")
    assert described["clusters"] == 10
    assert "labels of digits/test" in described["cluster_names_from"]
    result = json.loads((clustering / "result.json").read_text())
    names = [str(label) for label in result["matching"]]
    assert described["cluster_names"] == names
    kept = describe(exportable.load(frozen))
    assert kept["embedding"] == "the encoder's, after its projection"
    assert (described["embedding_dim"], kept["embedding_dim"]) != (32, 32)
    assert kept["embedding_dim"] == 32


def test_a_frozen_encoder_keeps_its_embedding(digits_run, frozen, images):
    expected = Run(digits_run).encoder.predict(images, verbose=0)
    found = exportable.load(frozen).encoder.predict(images, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_without_labels_clusters_have_numbers(clustering):
    run = exportable.load(clustering)
    run.result |= {"matching": None, "class_names": None}
    assert run.cluster_names[3] == "cluster 3"
    assert "no labels" in describe(run)["cluster_names_from"]


def test_the_client_prints_a_cluster_by_its_name():
    row = {
        "cluster": np.int64(1),
        "name": "cat",
        "probabilities": np.array([0.25, 0.75]),
    }
    assert client_lib._row_text(row) == "cat  0.750"


def test_tflite_gives_both_and_says_how_close(
    clustering, images, tmp_path, capsys
):
    flags = [f"--run_dir={clustering}", f"--output={tmp_path}/scan.tflite"]
    flags += ["--quantize=int8", "--calibration_images=50"]
    mains.run("export.tflite", flags)
    said = capsys.readouterr().out
    interpreter = Interpreter(str(tmp_path / "scan.tflite"))
    found = interpreter.get_signature_runner("serving_default")(images=images)
    model = Clustering(clustering).classifier
    expected = model.predict(images, verbose=0)
    np.testing.assert_allclose(found["probabilities"], expected, atol=0.05)
    np.testing.assert_allclose(found["probabilities"].sum(1), 1, atol=1e-5)
    cosines = np.sum(found["embedding"] * features(clustering, images), axis=1)
    assert cosines.min() > 0.99
    measured = json.loads((tmp_path / "scan.json").read_text())["measured"]
    same = found["probabilities"].argmax(1) == expected.argmax(1)
    assert measured["agreement"] == pytest.approx(same.mean(), abs=0.007)
    acc = json.loads((clustering / "result.json").read_text())["acc"]
    assert measured["original_acc"] == pytest.approx(acc)
    assert f"{100 * measured['agreement']:.2f} % of 150" in said
    # What embeds directories takes the file as any other.
    encoder = encoders.load(tmp_path / "scan.tflite")
    np.testing.assert_array_equal(encoder(images), found["embedding"])


@pytest.mark.parametrize("features", ["embedding", "backbone"])
def test_keras_and_onnx_files_give_both(clustering, images, tmp_path, features):
    model = Clustering(clustering)
    expected = {"probabilities": model.classifier.predict(images, verbose=0)}
    if features == "embedding":
        expected["embedding"] = model.encoder.predict(images, verbose=0)
    else:
        expected["features"] = model.scan.trunk.predict(images, verbose=0)
    for main, suffix in (("keras_model", ".keras"), ("onnx", ".onnx")):
        flags = [f"--run_dir={clustering}", f"--features={features}"]
        output = tmp_path / f"scan{suffix}"
        mains.run(f"export.{main}", [*flags, f"--output={output}"])
        described = json.loads((tmp_path / f"scan{suffix}.json").read_text())
        assert described["cluster_names"] == list(model.cluster_names)
        assert described["probabilities"]["shape"] == [None, 10]
    opened = keras.models.load_model(tmp_path / "scan.keras")
    session = onnxruntime.InferenceSession(tmp_path / "scan.onnx")
    names = [output.name for output in session.get_outputs()]
    found = [
        opened.predict(images, verbose=0),
        dict(zip(names, session.run(names, {"images": images}), strict=True)),
    ]
    for outputs in found:
        assert outputs.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(outputs[name], values, atol=1e-5)


def test_accuracy_counts_what_has_a_label():
    """Of three with a label, one is in a cluster without a class."""
    assigned, labels = np.array([0, 1, 2, 0]), np.array([5, 4, 3, -1])
    assert accuracy(assigned, labels, [5, 4, -1]) == pytest.approx(2 / 3)
    assert accuracy(assigned, None, [5, 4, -1]) is None
    assert accuracy(assigned, labels, None) is None


def test_a_run_that_is_gone_is_needed_for_images_alone(clustering, tmp_path):
    path = tmp_path / "scan"
    shutil.copytree(clustering, path)
    flags = (path / "flags.cfg").read_text().splitlines()
    flags = [f for f in flags if not f.startswith("--run_dir=")]
    (path / "flags.cfg").write_text("\n".join([*flags, "--run_dir=gone"]))
    run = exportable.load(path)
    version = saved_model_writer.export(run, tmp_path / "exported", Options())
    assert "classify_bytes" in exports.signatures(version)
    with pytest.raises(InputError, match="of the run gone, which is not there"):
        saved_model_writer.export(
            run, tmp_path / "exported", Options(neighbours=2)
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--checkpoint=best"], "Expected --checkpoint=last, as"),
        (["--neighbours=2", "--gallery=bank"], "Use --gallery=clean"),
        (["--neighbours=999"], "Expected --neighbours of at most 450"),
    ],
)
def test_what_a_clustering_has_not_is_said(
    clustering, tmp_path, arguments, message, capsys
):
    flags = [f"--run_dir={clustering}", f"--output_dir={tmp_path / 'new'}"]
    printed = mains.refusal("export.saved_model", [*flags, *arguments], capsys)
    assert message in " ".join(printed.err.split())


def test_one_that_is_not_finished_is_refused(clustering, tmp_path):
    path = tmp_path / "scan"
    shutil.copytree(clustering, path)
    (path / "result.json").unlink()
    with pytest.raises(
        InputError, match="The clustering in .* is not finished"
    ):
        exportable.load(path)
