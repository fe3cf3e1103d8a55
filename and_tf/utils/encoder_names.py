"""Reads the text that names an encoder, such as `applications:ResNet50`.

No heavy package is imported, so that flags are checked before TensorFlow
starts. Whether the network exists is found out by the module in
`and_tf.encoders` that opens it.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re

from and_tf.utils import paths
from and_tf.utils.errors import InputError

OWN = (
    "small",
    "alexnet",
    "resnet18",
    "resnet50",
    "resnet101",
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
)
KINDS = ("own", "applications", "hub", "path", "function")
ENDING = ".keras"
WHAT_CAN_BE_GIVEN = (
    f"one of {', '.join(OWN)}; applications:NAME for a network of "
    "keras.applications; hub:PRESET for one of keras-hub; a file that ends "
    "with .keras, or the directory of a SavedModel; or module:function for a "
    "function that returns a Keras model"
)
_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_CLASS = re.compile(r"[A-Z][a-z]*[A-Z]\w*")  # Such as EfficientNetB0, VGG16.


@dataclasses.dataclass(frozen=True)
class EncoderName:
    """A parsed name of an encoder.

    Attributes:
        kind: One of `KINDS`.
        value: The name of an own network, of one in keras.applications or of
            a preset; the path; or "module:function".
        layer: The name of the layer of a `.keras` file, or of the output of a
            SavedModel, that gives the features. "" takes the only output.
    """

    kind: str
    value: str
    layer: str = ""

    def __str__(self) -> str:
        """Returns the text that `parse` reads as this name."""
        if self.kind in ("applications", "hub"):
            return f"{self.kind}:{self.value}"
        return f"{self.value}@{self.layer}" if self.layer else self.value


def parse(text: str) -> EncoderName:
    """Reads the name of an encoder.

    Args:
        text: One of `OWN`; "applications:NAME"; "hub:PRESET"; a path, which
            ends with `.keras`, contains a separator or is a directory, with
            "@LAYER" behind it to name the layer; or "module:function".

    Returns:
        The name. In a path, the home directory stands instead of a tilde.

    Raises:
        InputError: If the text names no encoder, or is a URL.
    """
    paths.check_text("encoder", text)
    if text in OWN:
        return EncoderName("own", text)
    kind, colon, value = text.partition(":")
    if colon and kind in ("applications", "hub"):
        if not value:
            raise _unknown(text)
        return EncoderName(kind, value)
    path, layer = _split(text)
    if (
        path.endswith(ENDING)
        or os.sep in path
        or (path and os.path.isdir(path))
    ):
        return EncoderName("path", paths.read("encoder", path), layer)
    if _FUNCTION.fullmatch(text):
        return EncoderName("function", text)
    raise _unknown(text)


def _split(text: str) -> tuple[str, str]:
    """Splits "path@layer", whose path may contain the sign as well."""
    path, sign, layer = text.rpartition("@")
    whole = not sign or os.path.exists(os.path.expanduser(text))
    if whole or text.endswith(ENDING) or not _names_model(path):
        return text, ""
    return path, layer


def _names_model(path: str) -> bool:
    return path.endswith(ENDING) or os.path.isdir(os.path.expanduser(path))


def _unknown(text: str) -> InputError:
    found = difflib.get_close_matches(text.lower(), OWN, 1)
    if _CLASS.fullmatch(text):
        found = [f"applications:{text}"]
    hint = f" Did you mean {found[0]}?" if found else ""
    return InputError(
        f"Expected an encoder: {WHAT_CAN_BE_GIVEN}. Received: {text!r}.{hint}"
    )
