"""Answers of servers that mean harm, or something else."""

from __future__ import annotations

import contextlib
import http.server
import json
import types

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

from and_tf.utils.errors import InputError
from export.serving import bounded_request, client_lib
from export.serving.answers_client import GrpcClient, RestClient
from tests.export import model_server


def signature(**outputs: str) -> dict:
    return {
        "inputs": {"image_bytes": {"dtype": "DT_STRING"}},
        "outputs": {name: {"dtype": kind} for name, kind in outputs.items()},
    }


def metadata(**signatures) -> dict:
    return {"metadata": {"signature_def": {"signature_def": signatures}}}


EMBEDS = metadata(serving_bytes=signature(embedding="DT_FLOAT"))
CLASSIFIES = metadata(
    serving_bytes=signature(
        label="DT_INT64", score="DT_FLOAT", class_name="DT_STRING"
    )
)


@contextlib.contextmanager
def server(about, answer):
    """Answers the model's description, then an answer: bytes or JSON."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self._send(about)

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self._send(answer)

        def _send(self, content):
            self.send_response(200)
            self.end_headers()
            if callable(content):
                with contextlib.suppress(OSError):  # The client has gone.
                    content(self.wfile)
            elif isinstance(content, bytes):
                self.wfile.write(content)
            else:
                self.wfile.write(json.dumps(content).encode())

        def log_message(self, *arguments):
            pass

    with model_server.http_server(Handler) as address:
        yield address


@pytest.mark.parametrize(
    ("about", "message"),
    [
        (b"", "an answer of another service"),
        (b"<html>", "an answer of another service"),
        (b"\xff\xfe", "another service"),
        (b"[" * 10**5, "another service"),
        (None, "another service"),
        ([], "another service"),
        ({}, "another service .*`metadata`"),
        ({"metadata": []}, "another service"),
        ({"metadata": {"signature_def": None}}, "another service"),
        (metadata(serving_bytes=3), "another service"),
        (metadata(serving_bytes={"inputs": []}), "another service"),
        (metadata(serving_bytes={"outputs": {"a": 1}}), "another service"),
        (metadata(serving_bytes=signature(a="DT_NONE")), "no value|DT_NONE"),
        (metadata(), "it has none"),
    ],
)
def test_other_descriptions_are_one_sentence(about, message):
    with server(about, {}) as address:
        with pytest.raises(InputError, match=message) as caught:
            RestClient(address).embed([b"x"])
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("about", "answer"),
    [
        (EMBEDS, {}),
        (EMBEDS, []),
        (EMBEDS, None),
        (EMBEDS, b'{"outputs": [[NaN]]}'),
        (EMBEDS, {"outputs": None}),
        (EMBEDS, {"outputs": 3}),
        (EMBEDS, {"outputs": "x"}),
        (EMBEDS, {"outputs": [[1, 2], [3]]}),
        (EMBEDS, {"outputs": [["x"]]}),
        (EMBEDS, {"outputs": [{}]}),
        (EMBEDS, {"outputs": [[1], [2]]}),
        (CLASSIFIES, {"outputs": [1]}),
        (CLASSIFIES, {"outputs": {"label": [1]}}),
        (
            CLASSIFIES,
            {"outputs": {"label": [9], "score": [[1]], "class_name": ["a"]}},
        ),
        (
            CLASSIFIES,
            {"outputs": {"label": [10**30], "score": [[1]], "class_name": [1]}},
        ),
        (
            CLASSIFIES,
            {"outputs": {"label": [0], "score": [1], "class_name": ["a"]}},
        ),
        (metadata(serving_bytes=signature()), {"outputs": {}}),
        (metadata(serving_bytes=signature(a="DT_INVALID")), {"outputs": [1]}),
    ],
)
def test_other_answers_are_one_sentence(about, answer, tmp_path):
    photo = tmp_path / "a.png"
    photo.write_bytes(b"\x89PNG\r\n\x1a\n")
    with server(about, answer) as address:
        client = RestClient(address)
        with pytest.raises(InputError) as caught:
            client_lib.ask(client, "serving_bytes", [str(photo)], 1)
        assert "\n" not in str(caught.value)


def test_an_answer_that_fits_passes_with_its_names_made_visible(
    tmp_path, capsys
):
    photo = tmp_path / "a.png"
    photo.write_bytes(b"\x89PNG\r\n\x1a\n")
    outputs = {"label": [0], "score": [[0.5]], "class_name": ["\x1b[2Jcat"]}
    with server(CLASSIFIES, {"outputs": outputs}) as address:
        found = client_lib.ask(
            RestClient(address), "serving_bytes", [str(photo)], 1
        )
    assert "\\x1b[2Jcat  0.500" in capsys.readouterr().out
    np.testing.assert_array_equal(found["class_name"], ["\x1b[2Jcat"])


def endless(file):
    while True:
        file.write(b" " * 2**16)


def test_an_endless_answer_ends(monkeypatch):
    monkeypatch.setattr(bounded_request, "MOST_BYTES", 2**20)
    with server(EMBEDS, endless) as address:
        with pytest.raises(InputError, match="at most 1 MiB .*smaller --batch"):
            RestClient(address).embed([b"x"])


def test_an_answer_that_drips_ends_in_time():
    """Each byte comes at once; the whole never does."""
    taken = []

    def drip(file):
        while not taken:
            file.write(b" ")
            file.flush()

    with server(EMBEDS, drip) as address:
        client = RestClient(address)
        client._check("serving_bytes")  # However long the server takes.
        client._timeout = 0.2
        with pytest.raises(InputError, match=r"within 0\.2 s"):
            client.embed([b"x"])
        taken.append(True)


def test_a_model_without_embeddings_has_none():
    outputs = {"label": [0], "score": [[0.5]], "class_name": ["cat"]}
    with server(CLASSIFIES, {"outputs": outputs}) as address:
        with pytest.raises(InputError, match="no embedding, but class_name"):
            RestClient(address).embed([b"x"])


def test_a_tensor_that_says_it_is_endless_is_not_made():
    """A single number may stand for all of a tensor's: bytes for terabytes."""
    response = predict_pb2.PredictResponse()
    tensor = response.outputs["embedding"]
    tensor.CopyFrom(tf.make_tensor_proto([[1.5]]))
    tensor.tensor_shape.dim[1].size = 2**40
    about = get_model_metadata_pb2.GetModelMetadataResponse()
    about.metadata["signature_def"].value = b"no message"
    client = GrpcClient("localhost:1")
    client._stub = types.SimpleNamespace(
        Predict=lambda *_, **__: response,
        GetModelMetadata=lambda *_, **__: about,
    )
    with pytest.raises(InputError, match="signature of the model|an exported"):
        client.embed([b"x"])
    client._signatures = {"serving_bytes": {"embedding": 1}}
    with pytest.raises(InputError, match=r"embedding \[1, 1099511627776\]"):
        client.embed([b"x"])
