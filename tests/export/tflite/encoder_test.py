"""Files run by LiteRT: any batch, quietly, and refusals in one sentence."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from and_tf.training import trained
from and_tf.utils.errors import InputError
from export.tflite.conversion import convert
from export.tflite.encoder import TFLiteEncoder

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture(scope="module")
def original(digits_run):
    return trained.load_encoder(digits_run).encoder


@pytest.fixture(scope="module")
def path(original, tmp_path_factory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("exported") / "digits.tflite"
    path.write_bytes(convert(original))
    return path


@pytest.mark.parametrize("threads", [None, 1, 2])
def test_batches_of_any_size_one_after_another(original, path, rng, threads):
    encoder = TFLiteEncoder(path, threads)
    assert (encoder.image_size, encoder.embedding_dim) == (8, 32)
    held = []
    for size in (1, 7, 32, 32, 1, 0, 3):
        images = rng.integers(0, 256, (size, 8, 8, 3), np.uint8)
        expected = original(images) if size else np.zeros((0, 32))
        held.append((encoder(images), expected))
    # After all of them: none is a view of memory that the next one used.
    for received, expected in held:
        assert received.dtype == np.float32
        np.testing.assert_allclose(received, expected, atol=1e-5)


def test_a_view_of_an_array_is_taken(original, path, rng):
    images = rng.integers(0, 256, (8, 16, 8, 3), np.uint8)[::2, ::2, ::-1]
    np.testing.assert_allclose(
        TFLiteEncoder(path)(images), original(images.copy()), atol=1e-5
    )


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 8, 8, 3), np.float32), r"Received: float32 \[2, 8, 8"),
        (np.zeros((2, 9, 9, 3), np.uint8), r"\[B, 8, 8, 3\]. Received: uint8"),
        (np.zeros((8, 8, 3), np.uint8), r"Received: uint8 \[8, 8, 3\]"),
    ],
)
def test_refuses_other_images(path, images, message):
    with pytest.raises(InputError, match=message):
        TFLiteEncoder(path)(images)


def other(dtype: tf.DType, shape: list, name: str = "images") -> bytes:
    """A file that is no encoder of ours."""

    @tf.function(input_signature=[tf.TensorSpec(shape, dtype, name)])
    def add(images):
        return {"embedding": tf.cast(images, tf.float32) + 1}

    module = tf.Module()
    module.add = add
    concrete = add.get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions(
        [concrete], module
    ).convert()


@pytest.mark.parametrize(
    ("dtype", "shape", "name", "message"),
    [
        (tf.float32, [1, 8, 8, 3], "images", r"from float32 \[B, 8, 8, 3\] to"),
        (tf.uint8, [1, 8, 9, 3], "images", r"from uint8 \[B, 8, 9, 3\] to"),
        (tf.uint8, [1, 8, 8, 3], "images", r"to float32 \[B, 8, 8, 3\]\.$"),
        (tf.uint8, [1, 8, 8, 3], "x", "with serving_default from x to emb"),
    ],
)
def test_refuses_other_files(tmp_path, dtype, shape, name, message):
    path = tmp_path / "other.tflite"
    path.write_bytes(other(dtype, shape, name))
    with pytest.raises(InputError, match=message):
        TFLiteEncoder(path)


def test_refuses_what_is_none(tmp_path, path):
    with pytest.raises(InputError, match="nowhere.tflite: No such file"):
        TFLiteEncoder(tmp_path / "nowhere.tflite")
    with pytest.raises(InputError, match="Is a directory"):
        TFLiteEncoder(tmp_path)
    text = tmp_path / "text.tflite"
    text.write_text("a text of more than eight bytes")
    with pytest.raises(InputError, match="text.tflite, which is none"):
        TFLiteEncoder(text)
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="a whole .tflite file"):
        TFLiteEncoder(cut)


def test_a_fresh_process_is_quiet_and_needs_no_tensorflow(path):
    code = (
        "import pathlib, sys, numpy as np\n"
        "from export.tflite.encoder import TFLiteEncoder\n"
        f"encoder = TFLiteEncoder(pathlib.Path({str(path)!r}))\n"
        "print(encoder(np.zeros((2, 8, 8, 3), np.uint8)).shape)\n"
        "print('tensorflow' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("(2, 32)\nFalse\n", "")
