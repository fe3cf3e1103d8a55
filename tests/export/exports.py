"""Exports the tiny run's encoder as a SavedModel, once for all tests."""

from __future__ import annotations

import io
import pathlib

import numpy as np
import tensorflow as tf
from PIL import Image

from and_tf.data.split import Split
from and_tf.training.run import Run
from export.serving import saved_model_writer
from export.serving.servable import Options

OPTIONS = Options(
    neighbours=3, classify=True, knn_neighbours=20, knn_temperature=0.2
)


def exported(run_dir: pathlib.Path) -> pathlib.Path:
    """Returns version 1 of the run's encoder, with every signature."""
    output = run_dir.parent / "exported"
    if not output.exists():
        saved_model_writer.export(Run(run_dir), output, OPTIONS)
    return output / "1"


def training_split(run_dir: pathlib.Path) -> Split:
    """Returns the run's training images."""
    return Run(run_dir).images.train


def files(images: np.ndarray) -> list[bytes]:
    """Encodes each image as a PNG."""
    buffers = [io.BytesIO() for _ in images]
    for buffer, image in zip(buffers, images, strict=True):
        Image.fromarray(image).save(buffer, "PNG")
    return [buffer.getvalue() for buffer in buffers]


def signatures(path: pathlib.Path) -> dict:
    """Loads a version's signatures, which keep a reference to the model."""
    model = tf.saved_model.load(str(path))
    found = dict(model.signatures)
    for function in found.values():
        function.model = model
    return found
