"""Makes trunks of SavedModels, whose weights do not learn."""

from __future__ import annotations

import os
import pathlib
import shutil
from typing import Any

import keras
import tensorflow as tf

from and_tf.encoders import pixels as conventions
from and_tf.encoders.trunk import pooled
from and_tf.utils.errors import InputError
from and_tf.utils.reasons import reason

USUAL = ("serving_default", "serve")  # Signatures that are taken first.
KEPT = "encoder_saved_model"  # Its copy in a run directory.


class SavedModelLayer(keras.layers.Layer):
    """A layer that computes one output of a signature of a SavedModel.

    Its variables are no weights of the layer, so that they neither learn nor
    enter a checkpoint; Keras' own `TFSMLayer` lists copies of them, which
    nothing reads. It computes in float32 under each policy. The class is not
    registered, as a `.keras` file must not load a SavedModel, which may
    contain any code.

    Args:
        path: The directory of the SavedModel.
        signature: The name of the signature; it takes images alone.
        output: The name of its output.
    """

    def __init__(
        self, path: str, signature: str, output: str, **others: Any
    ) -> None:
        super().__init__(**{**others, "trainable": False, "dtype": "float32"})
        self.directory, self.signature, self.output_name = (
            path,
            signature,
            output,
        )
        self._loaded = tf.saved_model.load(path)
        self._function = self._loaded.signatures[signature]
        (self._input,) = self._function.structured_input_signature[1].values()

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Computes the output for pixel values float32 [B, S, S, 3]."""
        if self._input.dtype.is_integer:
            images = tf.saturate_cast(tf.round(images), self._input.dtype)
        images = tf.cast(images, self._input.dtype)
        outputs = self._function(**{self._input.name: images})
        features = tf.cast(outputs[self.output_name], tf.float32)
        return tf.stop_gradient(features)

    def compute_output_shape(self, shape: tuple) -> tuple[int | None, ...]:
        """Returns the shape that the signature promises."""
        promised = self._function.structured_outputs[self.output_name].shape
        return (shape[0], *promised[1:])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "path": self.directory,
            "signature": self.signature,
            "output": self.output_name,
        }


def trunk(
    path: pathlib.Path,
    layer: str,
    expects: str,
    image_size: int | None,
) -> keras.Model:
    """Makes a trunk of a SavedModel; see `files.trunk`.

    Raises:
        InputError: If the directory holds no SavedModel, or none of its
            signatures takes images and gives features.
    """
    functions = _image_functions(path)
    signature, output = _choice(path, functions, layer)
    (spec,) = functions[signature].structured_input_signature[1].values()
    size = image_size or spec.shape[1]
    if not size or spec.shape[1] not in (size, None):
        raise InputError(
            f"Expected an image_size that {path} takes, {spec.shape[1]}. "
            f"Received: {image_size}."
            if spec.shape[1]
            else f"Expected an image_size, as {path} takes images of any size."
        )
    found = conventions.convention(expects)
    if spec.dtype.is_integer and found != conventions.Pixels():
        raise InputError(
            f"Expected pixels {conventions.RAW} for {path}, which takes "
            f"{spec.dtype.name}. Received: {expects}."
        )
    images = keras.Input((size, size, 3), name="images")
    x = SavedModelLayer(str(path), signature, output, name="saved_model")(
        conventions.normalise(images, found)
    )
    return keras.Model(images, pooled(x, str(path)), name="saved_model")


def keep(path: pathlib.Path, run_directory: pathlib.Path) -> str:
    """Copies a SavedModel into a run directory, whole or not at all.

    Args:
        path: The directory of the SavedModel.
        run_directory: The directory of the run, which exists.

    Returns:
        The name of the copy in it, for `descriptions.describe`.

    Raises:
        InputError: If the copy cannot be written.
    """
    kept = run_directory / KEPT
    part = run_directory / f"{KEPT}.{os.getpid()}.part"
    try:
        if not kept.exists():
            shutil.copytree(path, part)
            part.rename(kept)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise InputError(
            f"Expected room for a copy of {path} in {run_directory}. "
            f"Received: {error.strerror or error}. Make room, then run again."
        ) from error
    return KEPT


def _image_functions(path: pathlib.Path) -> dict[str, Any]:
    """Returns the signatures that take images alone, by name."""
    try:
        signatures = tf.saved_model.load(str(path)).signatures
    except Exception as error:  # TensorFlow raises what it finds.
        raise InputError(
            "Expected the directory of a SavedModel. Received: "
            f"{path}: {reason(error)}."
        ) from error
    found = {n: f for n, f in signatures.items() if _takes_images(f)}
    if not found:
        shown = "; ".join(
            f"{name} takes {_shown(function)}"
            for name, function in signatures.items()
        )
        raise InputError(
            "Expected a SavedModel with a signature that takes images alone, "
            f"numbers [B, S, S, 3]. Received: {path}: "
            f"{shown or 'no signatures'}."
        )
    return found


def _takes_images(function: Any) -> bool:
    specs = list(function.structured_input_signature[1].values())
    if len(specs) != 1 or specs[0].shape.rank != 4:
        return False
    batch, height, width, channels = specs[0].shape
    number = specs[0].dtype.is_floating or specs[0].dtype.is_integer
    return (
        number and batch is None and height == width and channels in (3, None)
    )


def _shown(function: Any) -> str:
    specs = function.structured_input_signature[1].items()
    return ", ".join(f"{n} {s.shape} {s.dtype.name}" for n, s in specs)


def _choice(
    path: pathlib.Path, functions: dict[str, Any], layer: str
) -> tuple[str, str]:
    """Returns the signature and the output that a user's name means."""
    named, _, output = layer.partition("/")
    usual = [name for name in USUAL if name in functions]
    if named in functions:
        signature = named
    elif usual or len(functions) == 1:
        signature, output = (usual or [*functions])[0], output or named
    else:
        raise InputError(
            f"Expected the name of a signature behind {path}@, as several take "
            f"images: {', '.join(sorted(functions))}. Received: "
            f"{layer or 'none'!r}."
        )
    outputs = functions[signature].structured_outputs
    if not output and len(outputs) == 1:
        return signature, next(iter(outputs))
    if output not in outputs:
        raise InputError(
            f"Expected one output of {path}'s signature {signature}: "
            f"{', '.join(sorted(outputs))}. Received: {output or 'none'!r}. "
            f"Name it behind {path}@."
        )
    return signature, output
