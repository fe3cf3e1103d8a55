"""Makes `.keras` files that plain Keras opens, without this package."""

from __future__ import annotations

import json
import pathlib
import tempfile
import zipfile
from typing import Any

import keras

from and_tf import encoders
from and_tf.data.pixel_format import PixelFormat
from and_tf.utils.errors import InputError
from export import sameness

MOST_DIFFERENCE = 1e-6
DESCRIPTION = "encoder.json"  # A file inside, which Keras passes over.


def make(
    model: keras.Model, name: str, description: dict[str, Any]
) -> tuple[bytes, float]:
    """Makes the content of a `.keras` file and compares it with the model.

    All layers of the copy learn, whichever the run froze, so that whoever
    trains it decides.

    Args:
        model: A model from images [B, S, S, C] of a fixed S.
        name: The name of the output of a model that has one only.
        description: JSON values that the file carries as `DESCRIPTION`.

    Returns:
        The content, and the largest difference of the file's outputs from the
        model's, as `sameness.check` measures it.

    Raises:
        InputError: If the model has layers that Keras alone does not know, or
            the file computes something else.
    """
    copy = encoders.plain(model)
    copy.trainable = True
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "encoder.keras"
        try:
            copy.save(path)
            with zipfile.ZipFile(path, "a") as file:
                file.writestr(DESCRIPTION, json.dumps(description, indent=2))
            opened = keras.models.load_model(path)
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                "Expected an encoder that Keras can write and read. Received "
                f"from Keras: {str(error).strip().splitlines()[0]}"
            ) from error
        difference = sameness.check(
            model,
            lambda images: sameness.outputs_of(opened, images, name),
            name,
            MOST_DIFFERENCE,
            PixelFormat.of(description),
        )
        return path.read_bytes(), difference
