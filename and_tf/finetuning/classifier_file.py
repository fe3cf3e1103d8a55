"""Writes a fine-tuned classifier as a Keras file, and opens it again.

The file needs Keras alone. Beside the network it says, in the JSON that every
Keras file has for metadata, what its classes are called:

    import json, keras, zipfile
    model = keras.models.load_model("classifier.keras")
    with zipfile.ZipFile("classifier.keras") as file:
        names = json.loads(file.read("metadata.json"))["class_names"]
    print(names[model.predict(images).argmax(1)[0]])
"""

from __future__ import annotations

import json
import pathlib
import tempfile
import zipfile
from typing import Any, BinaryIO

import keras
import numpy as np

from and_tf import encoders
from and_tf.finetuning.model import FineTuner
from and_tf.utils import atomic_files

_METADATA = "metadata.json"  # Keras' own name, which loading does not read.
CLASSIFIER, PROBABILITIES = "classifier", "probabilities"


def build(model: FineTuner, temperature: float) -> keras.Model:
    """Makes a float32 model of Keras' own layers, with calibrated answers.

    Args:
        model: The trained model.
        temperature: The number that its logits are divided by.

    Returns:
        A model from images, uint8 [B, S, S, 3], to probabilities, float32
        [B, C], which shares no weights with `model`.
    """
    trunk = encoders.plain(model.encoder)
    images = keras.Input(trunk.input_shape[1:], dtype="uint8", name="images")
    single = keras.models.clone_model(
        trunk, input_tensors=images, clone_function=_in_float32, recursive=True
    )
    single.set_weights(trunk.get_weights())
    kernel, bias = map(np.asarray, model.classifier.variables)
    classify = keras.layers.Dense(len(bias), dtype="float32", name=CLASSIFIER)
    softmax = keras.layers.Softmax(dtype="float32", name=PROBABILITIES)
    outputs = softmax(classify(single.output))
    classify.set_weights([kernel / temperature, bias / temperature])
    return keras.Model(images, outputs, name="classifier")


def _in_float32(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Makes a new layer with the same config, computing in float32."""
    return type(layer).from_config({**layer.get_config(), "dtype": "float32"})


def write(
    path: pathlib.Path,
    model: FineTuner,
    temperature: float,
    described: dict[str, Any],
) -> None:
    """Writes the file; it appears whole or not at all.

    Args:
        path: The file, which is replaced.
        model: The trained model.
        temperature: The number that its logits are divided by.
        described: What the file's metadata say, as JSON values.

    Raises:
        InputError: If it cannot be written.
    """
    with tempfile.TemporaryDirectory() as place:
        plain = pathlib.Path(place) / path.name
        build(model, temperature).save(plain)

        def fill(file: BinaryIO) -> None:
            with (
                zipfile.ZipFile(plain) as old,
                zipfile.ZipFile(file, "w") as new,
            ):
                for name in old.namelist():
                    content = old.read(name)
                    if name == _METADATA:
                        found = json.loads(content) | described
                        content = json.dumps(found, indent=2).encode()
                    new.writestr(name, content)

        atomic_files.write(path, fill)
