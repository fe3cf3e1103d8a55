"""Makes encoders in both formats that NumPy can compute, too."""

from __future__ import annotations

import json
import pathlib
import tempfile

import numpy as np
import tensorflow as tf

SIZE, DIM = 8, 16


def weights(seed: int = 0) -> np.ndarray:
    """Draws the weights of an encoder, float32 [SIZE · SIZE · 3, DIM]."""
    shape = SIZE * SIZE * 3, DIM
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def embed(images: np.ndarray, seed: int = 0) -> np.ndarray:
    """Computes the expected embeddings, float64 [B, DIM], of unit norm."""
    flat = images.reshape(len(images), -1) / 255.0 - 0.5
    product = flat @ weights(seed).astype(np.float64)
    return product / np.linalg.norm(product, axis=1, keepdims=True)


def images(count: int, side: int = SIZE, seed: int = 1) -> np.ndarray:
    """Draws images of noise, uint8 [count, side, side, 3]."""
    shape = count, side, side, 3
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


class Graph(tf.Module):
    """The encoder in TensorFlow."""

    def __init__(self, seed: int) -> None:
        self.weights = tf.Variable(weights(seed))

    def __call__(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        flat = tf.reshape(images, [-1, SIZE * SIZE * 3])
        product = (tf.cast(flat, tf.float32) / 255 - 0.5) @ self.weights
        return {"embedding": tf.math.l2_normalize(product, 1)}


def saved_model(
    path: pathlib.Path,
    seed: int = 0,
    side: int | None = None,
    note: dict | None = {"image_size": SIZE, "embedding_dim": DIM},
) -> pathlib.Path:
    """Writes a SavedModel, by default of any image size, with encoder.json."""
    graph = Graph(seed)
    spec = tf.TensorSpec([None, side, side, 3], tf.uint8, "images")
    function = tf.function(graph.__call__).get_concrete_function(spec)
    tf.saved_model.save(graph, str(path), {"serving_default": function})
    if note is not None:
        assets = path / "assets.extra"
        assets.mkdir()
        (assets / "encoder.json").write_text(json.dumps(note))
    return path


def tflite(path: pathlib.Path, seed: int = 0) -> pathlib.Path:
    """Writes a .tflite file for images of side SIZE and any batch size."""
    with tempfile.TemporaryDirectory() as directory:
        saved_model(pathlib.Path(directory), seed, SIZE)
        converter = tf.lite.TFLiteConverter.from_saved_model(directory)
        path.write_bytes(converter.convert())
    return path
