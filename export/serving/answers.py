"""Holds TensorFlow Serving's REST answers against their schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from msgspec import Struct
from tensorflow.core.framework import types_pb2

Outputs = dict[str, int]  # By name, the protocol's number of its type.


class Tensor(Struct):
    """An input or output of a signature."""

    dtype: str = "DT_INVALID"


class Signature(Struct):
    """A signature of the model."""

    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}


class SignatureMap(Struct):
    """The model's signatures by name."""

    signature_def: dict[str, Signature]


class ModelMetadata(Struct):
    """The state of the model, as the server knows it."""

    signature_def: SignatureMap


class Metadata(Struct):
    """The answer about the model itself."""

    metadata: ModelMetadata


class Prediction(Struct):
    """The answer to images; its outputs follow from the signature."""

    outputs: Any


class Failure(Struct):
    """The answer to what could not be served."""

    error: str = ""


def signatures(answer: dict[str, Any]) -> Iterator[tuple[str, Any, Outputs]]:
    """Gives each signature's name, its inputs, and its outputs' types.

    Args:
        answer: As `Metadata` says.

    Raises:
        ValueError: If a type is none of TensorFlow's.
    """
    found = answer["metadata"]["signature_def"]["signature_def"]
    for name, signature in found.items():
        outputs = {
            key: types_pb2.DataType.Value(tensor.get("dtype", "DT_INVALID"))
            for key, tensor in signature.get("outputs", {}).items()
        }
        yield name, signature.get("inputs", {}), outputs


def arrays(outputs: Any, types: Outputs) -> dict[str, np.ndarray]:
    """Makes arrays of the outputs.

    Args:
        outputs: By name; that of a single output comes without its name.
        types: Of the outputs.

    Raises:
        ValueError: If one is missing, ragged, or not of its type.
    """
    if len(types) == 1:
        outputs = {next(iter(types)): outputs}
    try:
        return {
            name: np.array(outputs[name], tf.as_dtype(number).as_numpy_dtype)
            for name, number in types.items()
        }
    except (LookupError, TypeError, OverflowError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
