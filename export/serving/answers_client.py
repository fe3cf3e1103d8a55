"""Asks TensorFlow Serving for an exported encoder's outputs for images."""

from __future__ import annotations

import abc
import base64
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import grpc
import numpy as np
import requests
import tensorflow as tf
from google.protobuf import message
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from and_tf.utils import records
from and_tf.utils.errors import InputError
from export.serving import answers, bounded_request
from export.serving.answers import Outputs

INPUT = "image_bytes"
_LONGEST_MESSAGE = 300  # Characters; longer messages of a server are cut.
_LENGTHS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", bounded_request.MOST_BYTES),
]


class Refusal(InputError):
    """An error that the server itself returned for a request."""


class UndecodableError(Refusal):
    """An error of the server for images that it cannot decode.

    The positions in its message refer to the batch that it ran, which may be
    merged from several requests or be only a part of one.
    """


class Client(abc.ABC):
    """A client for one model on a server.

    Args:
        address: Address of the server.
        model_name: Name by which the server knows the model.
        timeout: Longest time to wait for a whole answer, in seconds.
    """

    def __init__(
        self, address: str, model_name: str = "and", timeout: float = 60.0
    ) -> None:
        self.address = address
        self._model_name = model_name
        self._timeout = timeout
        self._signatures: dict[str, Outputs] = {}

    def predict(
        self, signature: str, image_bytes: Sequence[bytes]
    ) -> dict[str, np.ndarray]:
        """Sends a batch of images to the server and returns the outputs.

        Args:
            signature: Name of a signature that takes encoded files.
            image_bytes: The contents of B JPEG or PNG files.

        Returns:
            The outputs by name, each [B, …]; text is of type `str`.

        Raises:
            UndecodableError: If the server cannot decode some of the images.
            Refusal: If the server refuses the request for another reason.
            InputError: If the server cannot be reached, or has no such model
                or signature.
        """
        self._check(signature)
        try:
            outputs = self._predict(signature, image_bytes)
            self._check_rows(outputs, len(image_bytes))
            return {name: _as_text(outputs[name]) for name in sorted(outputs)}
        except (TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise self._strange(str(error)) from error

    def embed(self, image_bytes: Sequence[bytes]) -> np.ndarray:
        """Embeds a batch of images.

        Args:
            image_bytes: The contents of B JPEG or PNG files.

        Returns:
            The embeddings, float32 [B, D].

        Raises:
            InputError: If `predict` raises it, or the model has no output
                "embedding".
        """
        outputs = self.predict("serving_bytes", image_bytes)
        if "embedding" not in outputs:
            raise self._strange(f"no embedding, but {', '.join(outputs)}")
        return outputs["embedding"]

    def _check(self, signature: str) -> None:
        """Checks that the model has the signature; asks the server once."""
        if not self._signatures:
            self._signatures = {
                name: outputs
                for name, inputs, outputs in self._read_signatures()
                if list(inputs) == [INPUT]
            }
        if signature not in self._signatures:
            names = ", ".join(sorted(self._signatures))
            raise InputError(
                "Expected a signature of the model that takes files: "
                f"{names or 'it has none'}. Received: {signature!r}."
            )

    def _check_rows(self, outputs: dict[str, np.ndarray], count: int) -> None:
        for name, output in outputs.items():
            if output.shape[:1] != (count,):
                raise ValueError(
                    f"{name} {list(output.shape)} for {count} images"
                )
        if not outputs:
            raise ValueError("no output at all")

    def _strange(self, reason: str) -> InputError:
        return InputError(
            f"Expected an answer of an exported encoder from {self.address}. "
            f"Received: {_shortened(reason)}. Name another with --address or "
            "--model_name."
        )

    def _too_long(self) -> InputError:
        return InputError(
            f"Expected an answer of at most "
            f"{bounded_request.MOST_BYTES // 2**20} MiB from {self.address}. "
            "Received a longer one. Ask with a smaller --batch_size."
        )

    def _unreachable(self, reason: str) -> InputError:
        return InputError(
            f"Expected a server at {self.address}. Received: "
            f"{_shortened(reason)}. Start it, or name another with --address."
        )

    def _too_late(self) -> InputError:
        return InputError(
            f"Expected an answer from {self.address} within "
            f"{self._timeout:g} s. Received none. Ask with a longer --timeout "
            "or a smaller --batch_size."
        )

    def _no_model(self, reason: str) -> InputError:
        return InputError(
            f"Expected the name of a model on {self.address}. Received: "
            f"{self._model_name!r}; the server says: {_shortened(reason)}. "
            "Name another with --model_name."
        )

    @abc.abstractmethod
    def _read_signatures(self) -> Iterator[tuple[str, Iterable, Outputs]]:
        """Yields each signature's name, its inputs' names and its outputs."""

    @abc.abstractmethod
    def _predict(
        self, signature: str, image_bytes: Sequence[bytes]
    ) -> dict[str, np.ndarray]: ...


class GrpcClient(Client):
    """A client of the gRPC port, such as localhost:8500."""

    def __init__(self, address: str, *arguments: Any, **options: Any) -> None:
        super().__init__(address, *arguments, **options)
        channel = grpc.insecure_channel(address, options=_LENGTHS)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    def _read_signatures(self) -> Iterator[tuple[str, Iterable, Outputs]]:
        request = get_model_metadata_pb2.GetModelMetadataRequest()
        request.model_spec.name = self._model_name
        request.metadata_field.append("signature_def")
        response = self._call(self._stub.GetModelMetadata, request)
        found = get_model_metadata_pb2.SignatureDefMap()
        try:
            response.metadata["signature_def"].Unpack(found)
        except message.DecodeError as error:
            raise self._strange(str(error)) from error
        for name, definition in found.signature_def.items():
            outputs = {k: v.dtype for k, v in definition.outputs.items()}
            yield name, definition.inputs, outputs

    def _predict(
        self, signature: str, image_bytes: Sequence[bytes]
    ) -> dict[str, np.ndarray]:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self._model_name
        request.model_spec.signature_name = signature
        request.inputs[INPUT].CopyFrom(
            tf.make_tensor_proto(
                list(image_bytes), tf.string, [len(image_bytes)]
            )
        )
        response = self._call(self._stub.Predict, request)
        return {k: _array(k, v) for k, v in response.outputs.items()}

    def _call(self, method: Any, request: Any) -> Any:
        """Calls the server, and raises an InputError for every gRPC error."""
        try:
            return method(request, timeout=self._timeout)
        except grpc.RpcError as error:
            code, details = error.code(), error.details() or ""
            if code == grpc.StatusCode.UNAVAILABLE:
                raise self._unreachable(details) from error
            if code == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise self._too_late() from error
            if code == grpc.StatusCode.RESOURCE_EXHAUSTED and (
                "larger than max" in details
            ):
                raise self._too_long() from error
            if code == grpc.StatusCode.NOT_FOUND:
                raise self._no_model(details) from error
            raise _refusal(f"{code.name}: {details}") from error


class RestClient(Client):
    """A client of the REST port, such as http://localhost:8501."""

    @property
    def _url(self) -> str:
        return f"{self.address.rstrip('/')}/v1/models/{self._model_name}"

    def _read_signatures(self) -> Iterator[tuple[str, Iterable, Outputs]]:
        url = f"{self._url}/metadata"
        content = self._call("GET", url, answers.Metadata)
        try:
            yield from answers.signatures(content)
        except ValueError as error:
            raise self._strange(str(error)) from error

    def _predict(
        self, signature: str, image_bytes: Sequence[bytes]
    ) -> dict[str, np.ndarray]:
        values = [
            {"b64": base64.b64encode(data).decode()} for data in image_bytes
        ]
        request = {"signature_name": signature, "inputs": {INPUT: values}}
        url, schema = f"{self._url}:predict", answers.Prediction
        answer = self._call("POST", url, schema, request)
        types = self._signatures[signature]
        return answers.arrays(answer["outputs"], types)

    def _call(
        self, method: str, url: str, schema: type, content: Any = None
    ) -> Any:
        """Calls the server, and raises an InputError for every failure."""
        try:
            answer = bounded_request.request(
                method, url, content, self._timeout
            )
        except requests.Timeout as error:
            raise self._too_late() from error
        except bounded_request.TooLongError as error:
            raise self._too_long() from error
        except (requests.RequestException, UnicodeError) as error:
            raise self._unreachable(_reason(error)) from error
        fine = answer.status < 400
        try:
            found = records.decode(
                answer.body, schema if fine else answers.Failure
            )
        except records.WrongRecordError as error:
            raise self._unreachable(
                f"an answer of another service ({error})"
            ) from error
        if fine:
            return found
        text = found.get("error") or f"{answer.status} {answer.reason}"
        if answer.status == 404:
            raise self._no_model(text)
        raise _refusal(text)


def _array(name: str, tensor: tensor_pb2.TensorProto) -> np.ndarray:
    """Converts an output of the server to an array.

    Raises:
        TypeError, ValueError: If the output is not a valid tensor, or claims
            more elements than an answer can have. Its size has to be checked
            because one stored number can stand for all elements.
    """
    sides = [side.size for side in tensor.tensor_shape.dim]
    if min(sides, default=0) < 0 or math.prod(sides) > (
        bounded_request.MOST_BYTES
    ):
        raise ValueError(f"{name} {sides}")
    try:
        return tf.make_ndarray(tensor)
    except LookupError as error:  # NumPy has no such data type.
        raise ValueError(f"{name} of type {tensor.dtype}") from error


def _refusal(text: str) -> Refusal:
    """Makes an error from a server's message, without the graph it quotes."""
    found = re.search(r"Expected encoded [^[]*\[[\d ]*\] [^.\]]*\.", text)
    if found:
        return UndecodableError(found[0])
    return Refusal(
        "Expected an answer of the server. Received its error: "
        f"{_shortened(text)}"
    )


def _reason(error: BaseException) -> str:
    """Returns the text of an error's innermost cause, which says why."""
    inner = getattr(error, "reason", None) or next(
        (a for a in error.args if isinstance(a, BaseException)), None
    )
    return _reason(inner) if isinstance(inner, BaseException) else str(error)


def _shortened(text: str) -> str:
    """Makes one line of a text, of `_LONGEST_MESSAGE` characters at most."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    text = " ".join(printable.split()).rstrip(".")
    if len(text) > _LONGEST_MESSAGE:
        text = text[:_LONGEST_MESSAGE] + "…"
    return text


def _as_text(array: np.ndarray) -> np.ndarray:
    """Decodes an array of bytes, of dtype object, to `str`; keeps others."""
    if array.dtype != object:
        return array
    values = (
        v.decode(errors="surrogateescape") if isinstance(v, bytes) else v
        for v in array.ravel()
    )
    return np.array(list(values), str).reshape(array.shape)
