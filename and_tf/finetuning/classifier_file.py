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

import functools
import json
import pathlib
import tempfile
import zipfile
from typing import Any, BinaryIO

import keras
import numpy as np

from and_tf import encoders
from and_tf.data.split import ImageData
from and_tf.finetuning.config import FinetuneConfig
from and_tf.finetuning.experiment import FinetuneDirectory
from and_tf.finetuning.model import FineTuner
from and_tf.training.run import Run
from and_tf.utils import archives, atomic_files
from and_tf.utils.errors import InputError

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


class Finetuned:
    """A finished fine-tuning, to export it.

    Args:
        path: The directory of the fine-tuning.
        data_dir: The directory of the data set now. If empty, it is where the
            fine-tuning read it.

    Attributes:
        directory: The directory of the fine-tuning.
        config: The config of the fine-tuning.
        result: The content of result.json.
        data_dir: The argument `data_dir`.

    Raises:
        InputError: If there is no fine-tuning in `path`, or it is not
            finished.
    """

    def __init__(self, path: pathlib.Path, data_dir: str = "") -> None:
        self.directory = FinetuneDirectory(path)
        self.config: FinetuneConfig = self.directory.config()
        self.data_dir = data_dir
        result = self.directory.read_result()
        if result is None:
            raise InputError(
                f"The fine-tuning in {path} is not finished. Finish it with "
                "python -m and_tf.finetune --resume."
            )
        self.result: dict[str, Any] = result

    @functools.cached_property
    def classifier(self) -> keras.Model:
        """The classifier, from images uint8 [B, S, S, 3] to probabilities.

        Raises:
            InputError: If its file is missing or damaged.
        """
        path = self.directory.classifier
        try:
            return keras.models.load_model(path)
        except archives.DAMAGE as error:
            raise InputError(
                f"Expected the classifier in {path}. Received a file that "
                f"cannot be read ({archives.why(error)}). Remove result.json "
                "beside it and give the fine-tuning's own command with "
                "--resume, which writes both again without training."
            ) from error

    @functools.cached_property
    def trunk(self) -> keras.Model:
        """A model from the same images to the features, float32 [B, F]."""
        features = self.classifier.get_layer(CLASSIFIER).input
        return keras.Model(self.classifier.input, features, name="trunk")

    @functools.cached_property
    def encoder(self) -> keras.Model:
        """A model from the same images to the features at unit norm."""
        unit = keras.layers.UnitNormalization(dtype="float32", name="unit_norm")
        outputs = unit(self.trunk.output)
        return keras.Model(self.trunk.input, outputs, name="features")

    @property
    def image_size(self) -> int:
        """The side S of the images in pixels."""
        return self.classifier.input_shape[1]

    @property
    def embedding_dim(self) -> int:
        """The dimension of the features."""
        return self.encoder.output_shape[-1]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes."""
        return tuple(self.result["class_names"])

    @property
    def matching(self) -> list[int] | None:
        """The data set's number of each class; None if it has others."""
        return self.result["dataset_labels"]

    @functools.cached_property
    def images(self) -> ImageData:
        """The images of the run that was fine-tuned."""
        told = pathlib.Path(self.config.run_dir)
        inside = (told / "flags.cfg").is_file()
        path = told if inside else self.directory.path.parent
        data_dir = self.data_dir or self.config.data_dir
        return Run(
            path, data_dir=data_dir, memory_gib=self.config.memory_gib
        ).images

    def bank_rows(self) -> np.ndarray:
        """Raises an error, as a fine-tuning has no memory bank.

        Raises:
            InputError: Always.
        """
        raise InputError(
            "Expected a run with a memory bank, for --gallery=bank. Received "
            f"the fine-tuning {self.directory.path}, which has none. Use "
            "--gallery=clean."
        )


def is_finetuning(path: pathlib.Path) -> bool:
    """Returns whether a directory is that of a fine-tuning.

    It looks for a flag that only a fine-tuning has, --labelled_fraction.
    """
    try:
        text = FinetuneDirectory(path).flagfile.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return "--labelled_fraction=" in text
