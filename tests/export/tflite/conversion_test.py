"""Conversion held against the Keras encoder, in the plain runtime."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from and_tf import encoders
from and_tf.training.run import Run
from and_tf.utils.errors import InputError
from export.tensor_names import MODES
from export.tflite.conversion import convert, operators

# Least cosine of any test image's embedding to that of the Keras encoder.
BOUNDS = {"none": 0.99999, "float16": 0.9999, "dynamic": 0.998, "int8": 0.997}


@pytest.fixture(scope="module")
def digits(digits_run):
    """The tiny run's encoder, and digits as it saw them and did not see."""
    run = Run(digits_run)
    images = run.images
    return run.encoder, images.train.images, images.test.images


@pytest.fixture(scope="module")
def contents(digits) -> dict[str, bytes]:
    """The encoder's files by mode."""
    encoder, seen, _ = digits
    return {mode: convert(encoder, mode, np.split(seen, 9)) for mode in MODES}


def embed(content: bytes, images: np.ndarray) -> np.ndarray:
    interpreter = Interpreter(model_content=content)
    run = interpreter.get_signature_runner("serving_default")
    return run(images=images)["embedding"]


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sum(a * b, axis=1, dtype=np.float64)


@pytest.mark.parametrize("mode", MODES)
def test_embeddings_are_those_of_the_encoder(digits, contents, mode):
    encoder, _, images = digits
    expected = encoder.predict(images, verbose=0)
    received = embed(contents[mode], images)
    assert received.dtype == np.float32
    assert cosines(received, expected).min() > BOUNDS[mode]
    # In every mode the norm is computed in float32.
    np.testing.assert_allclose(np.linalg.norm(received, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("batch", [1, 7, 32])
def test_an_embedding_does_not_depend_on_its_batch(
    digits, contents, mode, batch
):
    images = digits[2][:32]
    whole = embed(contents[mode], images)
    parts = embed(contents[mode], images[:batch])
    assert parts.shape == (batch, 32)
    np.testing.assert_allclose(parts, whole[:batch], atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_operators_are_built_in(contents, mode):
    """As the runtime itself names them, without its delegate."""
    interpreter = Interpreter(model_content=contents[mode])
    interpreter.allocate_tensors()
    names = {op["op_name"] for op in interpreter._get_ops_details()}
    assert not {name for name in names if re.match("Flex|Custom", name)}
    assert set(operators(contents[mode])) == names - {"DELEGATE"}
    # Batch norm went into the convolutions, and nothing reads variables.
    assert {"CONV_2D", "FULLY_CONNECTED"} < names
    assert not names & {"SUB", "DIV", "READ_VARIABLE", "CALL_ONCE"}


def test_smaller_modes_are_smaller(contents):
    """Weights of the tiny run are 0.83 MB in float32."""
    sizes = {mode: len(content) for mode, content in contents.items()}
    assert sizes["float16"] < 0.55 * sizes["none"]
    assert max(sizes["dynamic"], sizes["int8"]) < 0.35 * sizes["none"]


def test_int8_computes_in_int8_between_float_ends(contents):
    """All convolutions are int8; the projection and the norm are not."""
    interpreter = Interpreter(model_content=contents["int8"])
    interpreter.allocate_tensors()
    dtypes = {d["index"]: d["dtype"] for d in interpreter.get_tensor_details()}
    kinds = {}
    for op in interpreter._get_ops_details():
        if op["op_name"] != "DELEGATE":
            kind = dtypes[op["outputs"][0]]
            kinds.setdefault(op["op_name"], set()).add(kind)
    assert kinds["CONV_2D"] == {np.int8}
    assert kinds["FULLY_CONNECTED"] == {np.float32}
    assert kinds["MEAN"] == kinds["SUM"] == {np.float32}


def perturbed(name: str, size: int) -> keras.Model:
    """An encoder of random weights and statistics, as after some training."""
    keras.utils.set_random_seed(0)
    encoder = encoders.build(name, size, 16, width=0.25)
    rng = np.random.default_rng(0)
    for variable in encoder.variables:
        # Of what starts as 0 or 1, so that folding it matters.
        if "norm" in variable.path and len(variable.shape) == 1:
            noise = rng.uniform(0.5, 1.5, variable.shape)
            zero = variable.path.endswith(("mean", "beta"))
            variable.assign(noise - 1 if zero else noise)
    return encoder


@pytest.mark.parametrize("mode", ["none", "int8"])
@pytest.mark.parametrize("name", ["resnet18", "alexnet"])
def test_other_backbones(name, mode):
    encoder = perturbed(name, 32)
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (64, 32, 32, 3), np.uint8)
    content = convert(encoder, mode, [images[:32], images[32:]])
    received = embed(content, images[:5])
    expected = encoder(images[:5])
    bound = BOUNDS["none"] if mode == "none" else 0.98
    assert cosines(received, expected).min() > bound


def test_a_process_without_this_project_runs_it(
    digits, contents, tmp_path: pathlib.Path
):
    """With NumPy and LiteRT alone, from another directory."""
    encoder, _, images = digits
    (tmp_path / "encoder.tflite").write_bytes(contents["none"])
    np.save(tmp_path / "images.npy", images[:3])
    code = (
        "import sys, numpy as np\n"
        "from ai_edge_litert.interpreter import Interpreter\n"
        "run = Interpreter('encoder.tflite').get_signature_runner()\n"
        "found = run(images=np.load('images.npy'))\n"
        "np.save('embeddings.npy', found['embedding'])\n"
        "assert 'tensorflow' not in sys.modules\n"
        "assert 'and_tf' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(
        np.load(tmp_path / "embeddings.npy"), encoder(images[:3]), atol=1e-6
    )


def test_says_nothing(digits, capfd):
    encoder, seen, _ = digits
    for mode in ("none", "int8"):
        convert(encoder, mode, [seen[:20]])
    assert capfd.readouterr() == ("", "")


def test_the_encoder_stays_as_it_was(digits):
    encoder, seen, images = digits
    before = [np.array(variable) for variable in encoder.variables]
    convert(encoder, "int8", [seen[:20]])
    for value, variable in zip(before, encoder.variables, strict=True):
        np.testing.assert_array_equal(value, variable)


class SingularValues(keras.layers.Layer):
    """What no built-in operation of TFLite computes."""

    def call(self, x):
        return tf.linalg.svd(x[..., None], compute_uv=False)


@pytest.mark.parametrize("mode", ["none", "int8"])
def test_refuses_what_is_not_built_in(mode):
    images = keras.Input((8, 8, 3))
    features = keras.layers.Dense(4)(keras.layers.Flatten()(images))
    encoder = keras.Model(images, SingularValues()(features))
    batch = np.zeros((2, 8, 8, 3), np.uint8)
    with pytest.raises(InputError, match="built in. Received: tf.Svd"):
        convert(encoder, mode, [batch])


@pytest.mark.parametrize(
    ("mode", "side", "message"),
    [
        ("int4", 8, "none, float16, dynamic, int8. Received: 'int4'"),
        ("int8", 8, "Expected calibration images for int8"),
        ("none", None, r"fixed S. Received: \(None, None, None, 3\)"),
    ],
)
def test_refuses(mode, side, message):
    images = keras.Input((side, side, 3))
    features = keras.layers.GlobalAveragePooling2D()(images)
    encoder = keras.Model(images, keras.layers.Dense(4)(features))
    with pytest.raises(InputError, match=message):
        convert(encoder, mode)
