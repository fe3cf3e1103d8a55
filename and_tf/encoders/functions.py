"""Makes trunks of models that functions of the user return."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable

import keras

from and_tf.encoders import pixels
from and_tf.encoders.trunk import from_model
from and_tf.utils import user_functions
from and_tf.utils.errors import InputError

_MODEL = "a Keras model"


def trunk(
    name: str,
    *,
    expects: str = pixels.RAW,
    image_size: int | None = None,
) -> keras.Model:
    """Makes a trunk of the model that a function returns.

    The function is called without arguments, or with `image_size` if it has a
    parameter of that name. Its module may lie in the working directory.

    Args:
        name: "module:function".
        expects: What the model expects of pixel values, one of
            `pixels.NAMES`.
        image_size: S, the side of the images in pixels. None takes the
            model's own, or what the function takes without it.

    Raises:
        InputError: If the module cannot be imported, it has no such function,
            the function fails, or what it returns cannot be a trunk.
    """
    found = pixels.convention(expects)
    model = _called(user_functions.find(name, _MODEL), name, image_size)
    if not isinstance(model, keras.Model):
        raise InputError(
            f"Expected a function that returns a Keras model. Received: {name}"
            f", which returned {type(model).__name__}."
        )
    return from_model(model, source=name, pixels=found, image_size=image_size)


def _called(
    function: Callable[..., object], name: str, image_size: int | None
) -> object:
    takes_size = False
    with contextlib.suppress(ValueError):  # Of some functions written in C.
        takes_size = "image_size" in inspect.signature(function).parameters
    try:
        if takes_size and image_size is not None:
            return function(image_size=image_size)
        return function()
    except (Exception, SystemExit) as error:  # The user's code runs.
        raise user_functions.failed(name, _MODEL, error) from error
