"""Serves a SavedModel by TensorFlow Serving's protocols, gRPC and REST.

It imitates all that clients see of a server: requests, answers and errors, with
the messages of TensorFlow Serving.
"""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import http.server
import json
import pathlib
import threading
from collections.abc import Iterator

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.export import exports


class Model:
    """A loaded version 1, which the server knows by the name "and"."""

    VERSION = 1

    def __init__(self, path: pathlib.Path) -> None:
        self._functions = exports.signatures(path)
        saved = saved_model_pb2.SavedModel.FromString(
            (path / "saved_model.pb").read_bytes()
        )
        self.signatures = get_model_metadata_pb2.SignatureDefMap(
            signature_def=saved.meta_graphs[0].signature_def
        )
        self.batches = []  # The size of each requested batch.

    def check(self, name: str, version: int | None = None) -> None:
        """Checks a request's model; a version that it names has to be there."""
        asked = f"Latest({name})"
        if version is not None:
            asked = f"Specific({name}, {version})"
        if name != "and" or version not in (None, self.VERSION):
            raise KeyError(f"Servable not found for request: {asked}")

    def predict(self, signature: str, inputs: dict) -> dict[str, np.ndarray]:
        if signature not in self._functions:
            raise ValueError(
                f'Serving signature name: "{signature}" not found in signature '
                "def"
            )
        (values,) = inputs.values()
        self.batches.append(len(values))
        function = self._functions[signature]
        specs = function.structured_input_signature[1]
        outputs = function(
            **{k: tf.constant(v, specs[k].dtype) for k, v in inputs.items()}
        )
        return {name: value.numpy() for name, value in outputs.items()}


class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, model: Model) -> None:
        self._model = model

    def GetModelMetadata(self, request, context):
        self._check(request, context)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        self._name(response)
        response.metadata["signature_def"].Pack(self._model.signatures)
        return response

    def Predict(self, request, context):
        self._check(request, context)
        inputs = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
        try:
            outputs = self._model.predict(
                request.model_spec.signature_name or "serving_default", inputs
            )
        except ValueError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        except tf.errors.InvalidArgumentError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
        response = predict_pb2.PredictResponse()
        self._name(response)
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response

    def _name(self, response) -> None:
        response.model_spec.name = "and"
        response.model_spec.version.value = self._model.VERSION

    def _check(self, request, context) -> None:
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        try:
            self._model.check(spec.name, version)
        except KeyError as error:
            context.abort(grpc.StatusCode.NOT_FOUND, error.args[0])


def rest_handler(model: Model) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.split("/")[3]
            definitions = json_format.MessageToDict(
                model.signatures, preserving_proto_field_name=True
            )
            answer = {
                "model_spec": {"name": name, "version": "1"},
                "metadata": {"signature_def": definitions},
            }
            self._answer(name, lambda: answer)

        def do_POST(self) -> None:
            name = self.path.split("/")[3].removesuffix(":predict")
            length = int(self.headers["Content-Length"])
            request = json.loads(self.rfile.read(length))
            inputs = {
                key: [base64.b64decode(value["b64"]) for value in values]
                for key, values in request["inputs"].items()
            }

            def answer() -> dict:
                outputs = model.predict(request["signature_name"], inputs)
                outputs = {k: _plain(v) for k, v in outputs.items()}
                if len(outputs) == 1:
                    (outputs,) = outputs.values()
                return {"outputs": outputs}

            self._answer(name, answer)

        def _answer(self, name, make) -> None:
            try:
                model.check(name)
                status, content = 200, make()
            except KeyError as error:
                status, content = 404, {"error": error.args[0]}
            except ValueError as error:
                status, content = 400, {"error": str(error)}
            except tf.errors.InvalidArgumentError as error:
                status, content = 400, {"error": error.message}
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _plain(array: np.ndarray) -> list:
    if array.dtype == object:
        array = np.vectorize(bytes.decode, otypes=[object])(array)
    return array.tolist()


@contextlib.contextmanager
def grpc_server(model: Model) -> Iterator[str]:
    """Runs a gRPC server, and yields its address."""
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(4),
        options=[("grpc.max_receive_message_length", -1)],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Servicer(model), server
    )
    port = server.add_insecure_port("localhost:0")
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        server.stop(None).wait()


@contextlib.contextmanager
def http_server(handler: type) -> Iterator[str]:
    """Runs an HTTP server, and yields its URL."""
    server = http.server.ThreadingHTTPServer(("localhost", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
