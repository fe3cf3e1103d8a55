"""Tries image files on the served graph, and compares it with Pillow."""

from __future__ import annotations

import functools
import io
import pathlib

import numpy as np
import tensorflow as tf

from and_tf.data import image_file
from export.serving import decoding
from export.serving.decoding import JPEG, PNG
from tests.fuzz import valid_images
from tests.fuzz.mutations import Damaged, damaged
from tests.fuzz.target import Target

_SIDE = 8


def make(directory: pathlib.Path) -> Target:
    """Makes a target that decodes an image alone, in a batch and by Pillow."""
    del directory
    files = {
        name: content
        for name, content in valid_images.files().items()
        if content.startswith((JPEG, PNG))
    }
    good = files["PNG RGB"]

    def check(value: Damaged) -> None:
        content = value.content(files)
        image = _pixels(content)
        expected = image_file.read_or_none(io.BytesIO(content))
        if image is not None and expected is not None:
            shapes = image.shape, expected.shape
            # The two may read another orientation from damaged EXIF data.
            turned = set(map(frozenset, shapes)) if value.changes else shapes
            assert len(set(turned)) == 1, shapes
            if content.startswith(PNG) and shapes[0] == shapes[1]:
                np.testing.assert_array_equal(image, expected)
        try:
            batch = _graphs()[1](tf.constant([good, content, good])).numpy()
        except tf.errors.OpError as error:
            assert "at positions [1] what cannot" in error.message, error
            assert image is None, "decoded alone, but not in a batch"
        else:
            assert image is not None, "decoded in a batch, but not alone"
            np.testing.assert_array_equal(batch[0], batch[2])

    return Target(damaged(files), check)


def _pixels(content: bytes) -> np.ndarray | None:
    """Decodes an image by the graph; None if the graph raises an error."""
    try:
        return _graphs()[0](tf.constant(content)).numpy()
    except tf.errors.OpError:
        return None


@functools.cache
def _graphs() -> tuple:
    """Makes the graphs for one image and for a batch, once per process."""
    one = tf.TensorSpec([], tf.string)
    many = tf.TensorSpec([None], tf.string)
    return (
        tf.function(decoding.decode, input_signature=[one]),
        tf.function(
            lambda encoded: decoding.decode_batch(encoded, _SIDE),
            input_signature=[many],
        ),
    )
