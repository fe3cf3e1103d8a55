"""Checks a user's settings of Keras that this project depends on."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from and_tf.utils.errors import InputError

# The settings of keras.json that this project needs; they are Keras' defaults.
NEEDED = {
    "backend": "tensorflow",
    "image_data_format": "channels_last",
    "floatx": "float32",
}
_LEGACY = ("1", "true")  # As TensorFlow reads TF_USE_LEGACY_KERAS.


def check(environment: Mapping[str, str] = os.environ) -> None:
    """Refuses settings that would end in another package's stack trace.

    It imports neither TensorFlow nor Keras.

    Raises:
        InputError: If the settings ask for another backend, another order of
            dimensions, another dtype, or Keras 2.
    """
    legacy = environment.get("TF_USE_LEGACY_KERAS", "")
    if legacy.lower() in _LEGACY:
        raise InputError(
            "Expected Keras 3. Received: TF_USE_LEGACY_KERAS="
            f"{legacy}, which asks for Keras 2. Unset that variable."
        )
    path = _path(environment)
    settings = _read(path)
    sources = dict.fromkeys(settings, f"in {path}. Change it there")
    if "KERAS_BACKEND" in environment:
        settings["backend"] = environment["KERAS_BACKEND"]
        sources["backend"] = "as KERAS_BACKEND. Unset that variable"
    for name, needed in NEEDED.items():
        if settings.get(name, needed) != needed:
            raise InputError(
                f"Expected Keras with {name} {needed!r}. Received: "
                f"{settings[name]!r} {sources[name]}."
            )


def _path(environment: Mapping[str, str]) -> pathlib.Path:
    """Returns the path at which Keras looks for keras.json."""
    if "KERAS_HOME" in environment:
        home = environment["KERAS_HOME"]
    else:
        base = os.path.expanduser("~")
        writable = os.access(base, os.W_OK)
        home = os.path.join(base if writable else "/tmp", ".keras")
    return pathlib.Path(os.path.expanduser(os.path.join(home, "keras.json")))


def _read(path: pathlib.Path) -> dict[str, Any]:
    """Reads keras.json; returns {} for a file that Keras would ignore."""
    try:
        settings = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return dict(settings) if isinstance(settings, dict) else {}
