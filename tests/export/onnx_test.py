"""Exported ONNX files, run by an onnxruntime that has no other code."""

from __future__ import annotations

import importlib.util
import json
import sys

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from and_tf.training.run import Run
from and_tf.utils.errors import InputError
from export import onnx_file
from tests import mains
from tests.export.keras_model_test import photographs
from tests.export.saved_model_test import elsewhere

RUNNING = """
import sys
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession("encoder.onnx")
images = np.load("images.npy")
whole = session.run(["embedding"], {"images": images})[0]
one = session.run(["embedding"], {"images": images[:1]})[0]
np.savez("found.npz", whole=whole, one=one)
print(*({"and_tf", "export", "keras", "tensorflow"} & set(sys.modules)))
"""


def test_onnxruntime_embeds_as_the_encoder(digits_run, tmp_path, capsys):
    path = tmp_path / "encoder.onnx"
    mains.run("export.onnx", [f"--run_dir={digits_run}", f"--output={path}"])
    printed = capsys.readouterr()
    assert printed.out.startswith(f"wrote {path} (")
    assert "largest difference" in printed.out and printed.err == ""
    images = photographs(8)
    np.save(tmp_path / "images.npy", images)
    loaded = elsewhere(sys.executable, "-I", "-c", RUNNING, cwd=tmp_path)
    assert loaded.strip() == ""
    expected = Run(digits_run).encoder.predict(images, verbose=0)
    with np.load(tmp_path / "found.npz") as found:
        np.testing.assert_allclose(found["whole"], expected, atol=1e-5)
        np.testing.assert_allclose(found["one"], expected[:1], atol=1e-5)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    (images,) = model.graph.input
    assert onnx.helper.printable_value_info(images) == (
        "%images[UINT8, batchx8x8x3]"
    )
    (inside,) = (p for p in model.metadata_props if p.key == "encoder")
    beside = json.loads((tmp_path / "encoder.onnx.json").read_text())
    assert beside.items() >= json.loads(inside.value).items()
    assert beside["dataset"] == "digits"
    assert beside["bytes"] == path.stat().st_size


def mixed(size: int) -> keras.Model:
    """An encoder of what tf2onnx alone does not convert, and attention."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    images = keras.Input((size, size, 3))
    x = layers.Normalization(mean=[120.0] * 3, variance=[3600.0] * 3)(images)
    x = layers.Conv2D(8, 3, 2, activation="gelu")(x)
    x = layers.Conv2D(8, 3, groups=4)(x)
    x = layers.LayerNormalization()(x)
    x = layers.Reshape((-1, 8))(x)
    x = layers.Add()([x, layers.MultiHeadAttention(2, 4)(x, x)])
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(images, layers.UnitNormalization()(x))


def test_layers_of_other_networks():
    model = mixed(12)
    content, _ = onnx_file.make(model, "embedding", {})
    session = onnxruntime.InferenceSession(content)
    assert [node.name for node in session.get_inputs()] == ["images"]
    images = photographs(12)
    (found,) = session.run(["embedding"], {"images": images})
    expected = model.predict(images, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_it_cannot_write_is_said():
    images = keras.Input((8, 8, 3))
    x = keras.layers.Resizing(4, 4, antialias=True)(images)
    model = keras.Model(images, keras.layers.Flatten()(x))
    with pytest.raises(InputError, match="one with TensorFlow's ScaleAndTrans"):
        onnx_file.make(model, "embedding", {})


def test_a_file_that_computes_something_else_is_not_kept(
    digits_run, tmp_path, monkeypatch, capsys
):
    run_file = onnx_file.runner
    monkeypatch.setattr(
        onnx_file,
        "runner",
        lambda content: (
            lambda images: {
                name: values + 2e-5
                for name, values in run_file(content)(images).items()
            }
        ),
    )
    output = tmp_path / "encoder.onnx"
    with pytest.raises(SystemExit):
        mains.run(
            "export.onnx", [f"--run_dir={digits_run}", f"--output={output}"]
        )
    assert "differs by up to 2e-05" in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_without_its_packages_it_says_what_to_install(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "tf2onnx" else find_spec(name),
    )
    with pytest.raises(InputError, match=r"called tf2onnx. .* pip install"):
        onnx_file.check_packages()
