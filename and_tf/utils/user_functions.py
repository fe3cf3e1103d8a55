"""Finds functions of the user that a flag names as `module:function`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable

from and_tf.utils.errors import InputError
from and_tf.utils.reasons import reason


def find(name: str, returns: str) -> Callable[..., object]:
    """Imports a function, whose module may lie in the working directory.

    Args:
        name: "module:function".
        returns: What the function returns, for errors: "a Keras model".

    Raises:
        InputError: If the module cannot be imported or has no such function.
    """
    module_name, _, function_name = name.partition(":")
    # Behind all others, so that no file here hides a package. It stays there
    # because the function may import more.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if not f"{module_name}.".startswith(f"{error.name}."):
            what = f"the import of {module_name}"
            raise failed(what, returns, error) from error
        raise InputError(
            f"Expected a module that Python finds for {name}, installed or in "
            f"{os.getcwd()}. Received: {module_name}."
        ) from error
    except (Exception, SystemExit) as error:  # The user's code runs.
        what = f"the import of {module_name}"
        raise failed(what, returns, error) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise InputError(
            f"Expected a function {function_name} in the module {module_name}. "
            f"Received: {'none' if function is None else repr(function)}."
        )
    return function


def failed(what: str, returns: str, error: BaseException) -> InputError:
    """Makes the error for code of the user that has raised another one.

    Args:
        what: What has failed, such as the function's name.
        returns: What the function should return, see `find`.
        error: The error of the user's code.
    """
    return InputError(
        f"Expected a function that returns {returns}, but {what} ended in "
        f"{reason(error, kind=True)}. Mend it; --debug shows the whole trace."
    )
