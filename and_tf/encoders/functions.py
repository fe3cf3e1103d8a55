"""Makes trunks of models that functions of the user return."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import sys
from collections.abc import Callable

import keras

from and_tf.encoders import pixels
from and_tf.encoders.reasons import reason
from and_tf.encoders.trunk import from_model
from and_tf.utils.errors import InputError


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
    model = _called(_found(name), name, image_size)
    if not isinstance(model, keras.Model):
        raise InputError(
            f"Expected a function that returns a Keras model. Received: {name}"
            f", which returned {type(model).__name__}."
        )
    return from_model(model, source=name, pixels=found, image_size=image_size)


def _found(name: str) -> Callable[..., object]:
    """Imports a function."""
    module_name, _, function_name = name.partition(":")
    # Behind all others, so that no file here hides a package. It stays there
    # because the function may import more.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if not f"{module_name}.".startswith(f"{error.name}."):
            raise _failed(f"the import of {module_name}", error) from error
        raise InputError(
            f"Expected a module that Python finds for {name}, installed or in "
            f"{os.getcwd()}. Received: {module_name}."
        ) from error
    except (Exception, SystemExit) as error:  # The user's code runs.
        raise _failed(f"the import of {module_name}", error) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise InputError(
            f"Expected a function {function_name} in the module {module_name}. "
            f"Received: {'none' if function is None else repr(function)}."
        )
    return function


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
        raise _failed(name, error) from error


def _failed(what: str, error: BaseException) -> InputError:
    return InputError(
        f"Expected a function that returns a Keras model, but {what} ended in "
        f"{reason(error, kind=True)}. Mend it; --debug shows the whole trace."
    )
