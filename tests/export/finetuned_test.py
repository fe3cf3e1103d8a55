"""Exported fine-tunings, held against their Keras files."""

from __future__ import annotations

import json
import pathlib
import zipfile

import keras
import numpy as np
import onnxruntime
import pytest

from and_tf.finetuning import trainer
from and_tf.finetuning.config import FinetuneConfig
from and_tf.finetuning.finetuned import Finetuned, is_finetuning
from and_tf.training.run import Run
from and_tf.utils.errors import InputError
from export import exportable
from export.serving import saved_model_writer
from export.serving.servable import Options
from export.tflite.encoder import TFLiteEncoder
from tests import mains
from tests.export import exports

CLASSES = list("012456789")


@pytest.fixture(scope="module")
def finetuned(digits_run, tmp_path_factory) -> pathlib.Path:
    """The directory of one whose labels come from a table."""
    path = tmp_path_factory.mktemp("finetuned")
    labels = Run(digits_run).images.train.labels[:200]
    lines = [f"{n},{label}" for n, label in enumerate(labels) if label != 3]
    (path / "labels.csv").write_text("\n".join(["file,label", *lines]))
    config = FinetuneConfig(
        run_dir=str(digits_run), output_dir=str(path / "out"), epochs=1,
        head_epochs=20, labels=str(path / "labels.csv"), compare=False,
    )  # fmt: skip
    trainer.finetune(config)
    return config.output_directory


@pytest.fixture(scope="module")
def images(digits_run) -> np.ndarray:
    return Run(digits_run).images.test.images


def test_saved_model_gives_classes_and_probabilities(
    finetuned, images, tmp_path
):
    run = exportable.load(finetuned)
    version = saved_model_writer.export(run, tmp_path, Options(classify=True))
    signatures = exports.signatures(version)
    found = signatures["classify"](images=images)
    expected = Finetuned(finetuned).classifier.predict(images, verbose=0)
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)
    labels = expected.argmax(1)
    np.testing.assert_array_equal(found["label"], labels)
    names = np.array([name.encode() for name in CLASSES])
    np.testing.assert_array_equal(found["class_name"], names[labels])
    files = exports.files(images)
    encoded = signatures["classify_bytes"](image_bytes=files)
    np.testing.assert_allclose(encoded["probabilities"], expected, atol=1e-5)
    embedding = signatures["serving_default"](images=images)["embedding"]
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)
    text = (version / saved_model_writer.EXTRA / "encoder.json").read_text()
    described = json.loads(text)
    assert described["kind"] == "finetuning"
    assert described["class_names"] == CLASSES


def test_tflite_gives_probabilities_and_is_compared(
    finetuned, digits_run, images, tmp_path
):
    path = tmp_path / "classifier.tflite"
    mains.run(
        "export.tflite.__main__",
        [f"--run_dir={finetuned}", f"--output={path}"],
    )
    found = TFLiteEncoder(path).outputs(images)["probabilities"]
    expected = Finetuned(finetuned).classifier.predict(images, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    described = json.loads(path.with_suffix(".json").read_text())
    assert described["class_names"] == CLASSES
    measured = described["measured"]
    assert measured["agreement"] == 1
    # Of a class that was not learnt, no image can be right.
    numbers = np.array([0, 1, 2, 4, 5, 6, 7, 8, 9])
    right = numbers[expected.argmax(1)] == Run(digits_run).images.test.labels
    assert measured["acc"] == pytest.approx(right.mean())


def test_keras_gives_both_outputs_and_names_the_classes(
    finetuned, images, tmp_path
):
    path = tmp_path / "classifier.keras"
    arguments = [f"--run_dir={finetuned}", f"--output={path}"]
    mains.run("export.keras_model", arguments)
    found = keras.models.load_model(path).predict(images, verbose=0)
    _assert_outputs(found, finetuned, images)
    with zipfile.ZipFile(path) as file:
        inside = json.loads(file.read("encoder.json"))
    assert inside["class_names"] == CLASSES
    assert inside["kind"] == "finetuning"
    assert inside["run"]["labels_seen"] == "none"


def test_onnx_gives_both_outputs_and_names_the_classes(
    finetuned, images, tmp_path
):
    path = tmp_path / "classifier.onnx"
    arguments = [f"--run_dir={finetuned}", f"--output={path}"]
    mains.run("export.onnx", arguments)
    session = onnxruntime.InferenceSession(path)
    names = [node.name for node in session.get_outputs()]
    found = dict(
        zip(names, session.run(names, {"images": images}), strict=True)
    )
    _assert_outputs(found, finetuned, images)
    told = session.get_modelmeta().custom_metadata_map["encoder"]
    assert json.loads(told)["class_names"] == CLASSES


def _assert_outputs(found, finetuned, images) -> None:
    opened = Finetuned(finetuned)
    assert set(found) == {"embedding", "probabilities"}
    for name, model in (
        ("embedding", opened.encoder),
        ("probabilities", opened.classifier),
    ):
        expected = model.predict(images, verbose=0)
        np.testing.assert_allclose(found[name], expected, atol=1e-5)


def test_what_cannot_be_exported_is_told(finetuned, digits_run, tmp_path):
    assert is_finetuning(finetuned) and not is_finetuning(digits_run)
    with pytest.raises(InputError, match="is a fine-tuning and keeps"):
        exportable.load(finetuned, "best")
    (tmp_path / "flags.cfg").write_bytes((finetuned / "flags.cfg").read_bytes())
    with pytest.raises(InputError, match="is not finished"):
        exportable.load(tmp_path)
    (tmp_path / "result.json").write_bytes(
        (finetuned / "result.json").read_bytes()
    )
    for content in (None, b"PK, but no archive"):
        if content:
            (tmp_path / "classifier.keras").write_bytes(content)
        with pytest.raises(InputError, match="Expected the classifier in"):
            exportable.load(tmp_path)
