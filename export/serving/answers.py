"""Describes TensorFlow Serving's REST answers, and reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from msgspec import Struct
from tensorflow.core.framework import types_pb2

Outputs = dict[str, int]  # TensorFlow's number of each output's data type.


class Tensor(Struct):
    """An input or an output of a signature."""

    dtype: str = "DT_INVALID"


class Signature(Struct):
    """A signature of the model."""

    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}


class SignatureMap(Struct):
    """The model's signatures by name."""

    signature_def: dict[str, Signature]


class ModelMetadata(Struct):
    """The metadata of the model, as the server reports them."""

    signature_def: SignatureMap


class Metadata(Struct):
    """The answer to a request for the model's metadata."""

    metadata: ModelMetadata


class Prediction(Struct):
    """The answer to a request with images; the signature has its outputs."""

    outputs: Any


class Failure(Struct):
    """The answer to a request that the server could not serve."""

    error: str = ""


def signatures(answer: dict[str, Any]) -> Iterator[tuple[str, Any, Outputs]]:
    """Yields each signature's name, its inputs and its outputs' types.

    Args:
        answer: The decoded JSON of a `Metadata` answer.

    Raises:
        ValueError: If TensorFlow has no data type of a given name.
    """
    found = answer["metadata"]["signature_def"]["signature_def"]
    for name, signature in found.items():
        outputs = {
            key: types_pb2.DataType.Value(tensor.get("dtype", "DT_INVALID"))
            for key, tensor in signature.get("outputs", {}).items()
        }
        yield name, signature.get("inputs", {}), outputs


def arrays(outputs: Any, types: Outputs) -> dict[str, np.ndarray]:
    """Converts the outputs of an answer to arrays.

    Args:
        outputs: Lists of values by name. The values of a model with a single
            output come without a name.
        types: TensorFlow's number of each output's data type.

    Raises:
        ValueError: If an output is missing, is ragged or has values of
            another type.
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
