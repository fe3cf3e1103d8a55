"""Exported `.keras` files, opened by a Keras that has no other code."""

from __future__ import annotations

import json
import sys
import zipfile

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from and_tf.encoders import plain_keras
from and_tf.training.run import Run
from and_tf.utils.errors import InputError
from export import keras_file, sameness
from tests import mains
from tests.export.saved_model_test import elsewhere

# Opens a file, embeds, and trains a classifier on it for a step.
OPENING = """
import sys
import keras, numpy as np
for name in ("and_tf", "export"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise AssertionError(name + " can be imported: nothing is shown")
encoder = keras.models.load_model("encoder.keras")
images = np.load("images.npy")
np.savez(
    "found.npz",
    whole=encoder.predict(images, verbose=0),
    floats=encoder.predict(images.astype("float32"), verbose=0),
    one=encoder.predict(images[:1], verbose=0),
)
model = keras.Sequential([encoder, keras.layers.Dense(2)])
model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True))
before = [w.numpy() for w in encoder.weights]
history = model.fit(images, np.arange(len(images)) % 2, verbose=0)
assert np.isfinite(history.history["loss"]).all()
changed = [(w.numpy() != b).any() for w, b in zip(encoder.weights, before)]
print(sum(changed), len(changed))
"""


def photographs(size: int) -> np.ndarray:
    """Squares out of scikit-learn's two photographs, uint8 [8, S, S, 3]."""
    squares = [
        photo[top : top + 200, left : left + 200]
        for photo in load_sample_images().images
        for top in (0, 200)
        for left in (0, 400)
    ]
    small = [Image.fromarray(s).resize((size, size)) for s in squares]
    return np.stack([np.asarray(image) for image in small])


def test_plain_keras_embeds_and_trains_it(digits_run, tmp_path, capsys):
    path = tmp_path / "encoder.keras"
    mains.run(
        "export.keras_model", [f"--run_dir={digits_run}", f"--output={path}"]
    )
    printed = capsys.readouterr().out
    assert printed.startswith(f"wrote {path} (")
    assert "images uint8 [?, 8, 8, 3] -> embedding float32 [?, 32]" in printed
    images = photographs(8)
    np.save(tmp_path / "images.npy", images)
    learnt = elsewhere(sys.executable, "-I", "-c", OPENING, cwd=tmp_path)
    changed, of = map(int, learnt.split())
    assert changed == of > 10  # Statistics of batch norm among them.
    expected = Run(digits_run).encoder.predict(images, verbose=0)
    with np.load(tmp_path / "found.npz") as found:
        for name in ("whole", "floats"):
            np.testing.assert_allclose(found[name], expected, atol=1e-6)
        np.testing.assert_allclose(found["one"], expected[:1], atol=1e-6)
    with zipfile.ZipFile(path) as file:
        assert b"and_tf" not in file.read("config.json")
        inside = json.loads(file.read("encoder.json"))
    beside = json.loads((tmp_path / "encoder.keras.json").read_text())
    assert beside.items() >= inside.items()
    assert inside["dataset"] == "digits"
    assert inside["output"] == {
        "name": "embedding", "dtype": "float32", "shape": [None, 32],
    }  # fmt: skip
    assert beside["bytes"] == path.stat().st_size
    assert beside["largest_difference"] <= 1e-6


def test_features_before_the_projection(digits_run, tmp_path):
    path = tmp_path / "trunk.keras"
    mains.run(
        "export.keras_model",
        [
            f"--run_dir={digits_run}",
            f"--output={path}",
            "--features=backbone",
            "--checkpoint=round_0",
        ],
    )
    features = keras.models.load_model(path)
    images = photographs(8)
    run = Run(digits_run, "round_0")
    kernel, bias = run.encoder.get_layer("projection").get_weights()
    projected = features.predict(images, verbose=0) @ kernel + bias
    projected /= np.linalg.norm(projected, axis=1, keepdims=True)
    expected = run.encoder.predict(images, verbose=0)
    np.testing.assert_allclose(projected, expected, atol=1e-5)
    described = json.loads((tmp_path / "trunk.keras.json").read_text())
    assert described["output"]["name"] == "features"
    assert described["output"]["shape"] == [None, len(kernel)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output=x.h5"], "Expected --output to end in .keras"),
        ([], "Expected --output, a file that ends in .keras"),
        (["--output=x.keras", "--features=all"], "<embedding|backbone>"),
    ],
)
def test_wrong_flags_end_in_one_sentence(arguments, message, tmp_path, capsys):
    with pytest.raises(SystemExit):
        mains.run("export.keras_model", ["--run_dir=x", *arguments])
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_file_that_computes_something_else_is_refused(monkeypatch):
    images = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(images)
    model = keras.Model(images, keras.layers.Dense(4)(pooled))
    _, difference = keras_file.make(model, "embedding", {})
    assert difference <= 1e-6

    def forgetful(encoder: keras.Model) -> keras.Model:
        copy = plain_keras.plain(encoder)
        copy.layers[-1].bias.assign_add([0, 0, 0, 1.0])
        return copy

    monkeypatch.setattr(keras_file.encoders, "plain", forgetful)
    with pytest.raises(InputError, match="embedding differs by up to"):
        keras_file.make(model, "embedding", {})


def test_images_to_compare_with_differ():
    for size in (8, 30):
        images = sameness.images(size)
        assert images.shape == (8, size, size, 3)
        assert images.dtype == np.uint8
        assert images.reshape(8, -1).astype(float).std(0).mean() > 50
