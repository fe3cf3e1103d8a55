"""Makes trunks of `.keras` files and SavedModels.

What a file expects of pixel values cannot be known, so the user says it. A
file whose first layers scale pixel values is the exception: it gets them as
they are.
"""

from __future__ import annotations

import pathlib

import keras

from and_tf.encoders import blocks, pixels, saved_models  # noqa: F401
from and_tf.encoders.flat import flat, is_functional
from and_tf.encoders.trunk import from_model
from and_tf.utils.encoder_names import ENDING
from and_tf.utils.errors import InputError
from and_tf.utils.reasons import reason


def trunk(
    path: str | pathlib.Path,
    *,
    layer: str = "",
    expects: str = pixels.RAW,
    image_size: int | None = None,
) -> tuple[keras.Model, str]:
    """Makes a trunk of a `.keras` file or of the directory of a SavedModel.

    Args:
        path: The file or directory.
        layer: The layer whose output is taken; "" takes the model's only
            output. Of a SavedModel, it names a signature, an output or
            "SIGNATURE/OUTPUT".
        expects: What the model expects of pixel values, one of
            `pixels.NAMES`.
        image_size: S, the side of the images in pixels. None takes the model's
            own; a model that takes any size needs it.

    Returns:
        The trunk, and a note for the user on what it does with pixel values
        and whether it can learn.

    Raises:
        InputError: If there is no such file, it cannot be loaded safely, or no
            trunk can be made of its model.
    """
    path, found = pathlib.Path(path), pixels.convention(expects)
    if path.is_dir():
        model = saved_models.trunk(path, layer, expects, image_size)
        return model, (
            f"{path} is a SavedModel, whose weights stay as they are: only "
            f"the layers behind it learn. It gets pixel values {expects}."
        )
    model, scaling = _load(path), ""
    if is_functional(model):
        scaling = pixels.own_scaling(flat(model, str(path)))
    made = from_model(
        model,
        source=str(path),
        pixels=pixels.Pixels() if scaling else found,
        image_size=image_size,
        layer=layer,
    )
    return made, _note(path, expects, scaling)


def _note(path: pathlib.Path, expects: str, scaling: str) -> str:
    if scaling:
        return (
            f"{path} scales pixel values itself, in its layer {scaling!r}, and "
            "gets them as they are, 0..255."
        )
    others = ", ".join(name for name in pixels.NAMES if name != expects)
    return (
        f"{path} gets pixel values {expects}. Say so if it was trained with "
        f"others: {others}."
    )


def _load(path: pathlib.Path) -> keras.Model:
    """Loads a `.keras` file, without running code that it contains."""
    if path.suffix != ENDING or not path.is_file():
        raise InputError(
            f"Expected a file that ends with {ENDING}, or the directory of a "
            f"SavedModel. Received: {path}, "
            f"{'another file' if path.exists() else 'which does not exist'}."
        )
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras and the file's layers raise anything.
        raise _unreadable(path, error) from error
    if not isinstance(model, keras.Model):
        raise InputError(
            f"Expected a Keras model in {path}. Received: "
            f"{type(model).__name__}."
        )
    return model


def _unreadable(path: pathlib.Path, error: Exception) -> InputError:
    why = reason(error, kind=True)
    if "Lambda" in why or "lambda" in why:
        return InputError(
            f"Expected a model without Lambda layers, whose code would run "
            f"when it is loaded. Received: {path}. If you trust it, give "
            "module:function, a function of yours that returns the model."
        )
    if "Could not locate" in why:
        what = reason(error).partition(". Make sure")[0]
        return InputError(
            f"Expected a model of Keras' own layers. Received: {path}: {what}. "
            "Give module:function instead, a function in the module that "
            "defines the class, which loads the file and returns the model."
        )
    return InputError(
        f"Expected a model that Keras {keras.__version__} loads. Received: "
        f"{path}: {why}."
    )
