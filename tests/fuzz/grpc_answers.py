"""Tries answers of a gRPC server on the client."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import message
from hypothesis import strategies as st
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

from export.serving import client_lib
from export.serving.answers_client import GrpcClient
from tests.fuzz import valid_images
from tests.fuzz.mutations import Damaged, damaged
from tests.fuzz.rest_answers import SIGNATURE
from tests.fuzz.target import Target, answer

_OUTPUTS = {
    "embeds": {"embedding": np.array([[0.5, 0.25]], np.float32)},
    "classifies": {
        "label": np.array([0]),
        "score": np.array([[0.5]], np.float32),
        "class_name": np.array([b"cat"], object),
    },
}
_SHAPES = ((), (1,), (1, 2), (2, 1), (-1,), (1, 2**40), (2**31, 2**31), (0, 3))


def make(directory: pathlib.Path) -> Target:
    """Makes a target that asks about one image and gets a drawn answer."""
    photo = directory / "a.png"
    photo.write_bytes(valid_images.files()["PNG RGB"])
    abouts = {k: _about(v).SerializeToString() for k, v in _OUTPUTS.items()}
    answers = {k: _answer(v).SerializeToString() for k, v in _OUTPUTS.items()}
    names = st.sampled_from(sorted(_OUTPUTS))
    tensor = st.tuples(
        names, st.sampled_from(_SHAPES), st.integers(-1, 130), st.booleans()
    )

    def check(value: tuple[Damaged, Damaged | tuple]) -> None:
        about, outputs = value
        metadata = get_model_metadata_pb2.GetModelMetadataResponse()
        response = predict_pb2.PredictResponse()
        try:
            metadata.ParseFromString(about.content(abouts))
            if isinstance(outputs, Damaged):
                response.ParseFromString(outputs.content(answers))
            else:
                response = _strange(*outputs)
        except (message.DecodeError, ValueError):
            return  # gRPC itself would refuse this message.
        client = GrpcClient("localhost:1")
        client._stub = _Stub(metadata, response)
        answer(lambda: client.embed([b"x"]))
        answer(lambda: client_lib.ask(client, SIGNATURE, [str(photo)], 1))

    return Target(
        st.tuples(damaged(abouts), st.one_of(damaged(answers), tensor)), check
    )


class _Stub:
    """A stub that gives the same answers to all requests."""

    def __init__(self, metadata: Any, response: Any) -> None:
        self.GetModelMetadata = lambda request, timeout: metadata
        self.Predict = lambda request, timeout: response


def _about(outputs: dict[str, np.ndarray]) -> message.Message:
    found = get_model_metadata_pb2.SignatureDefMap()
    signature = found.signature_def[SIGNATURE]
    signature.inputs["image_bytes"].dtype = tf.string.as_datatype_enum
    for name, array in outputs.items():
        kind = tf.make_tensor_proto(array).dtype
        signature.outputs[name].dtype = kind
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.metadata["signature_def"].Pack(found)
    return response


def _answer(outputs: dict[str, np.ndarray]) -> message.Message:
    response = predict_pb2.PredictResponse()
    for name, array in outputs.items():
        response.outputs[name].CopyFrom(tf.make_tensor_proto(array))
    return response


def _strange(
    name: str, shape: tuple[int, ...], dtype: int, empty: bool
) -> message.Message:
    """Makes an answer whose first tensor claims another shape and type."""
    response = _answer(_OUTPUTS[name])
    tensor = response.outputs[next(iter(_OUTPUTS[name]))]
    tensor.dtype = dtype
    del tensor.tensor_shape.dim[:]
    for side in shape:
        tensor.tensor_shape.dim.add().size = side
    if not empty:
        tensor.tensor_content = b""
        tensor.float_val.append(1.5)
    return response
