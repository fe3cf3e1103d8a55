"""Serves an exported encoder by plain HTTP, with TensorFlow alone.

It is a WSGI application that needs none of this project's code. gunicorn runs
it, with the settings of the file beside it:

    pip install tensorflow gunicorn
    cd docs/examples/serving
    MODEL=../../../exported/quick gunicorn --config=gunicorn.conf.py
    curl --data-binary @photo.jpg http://localhost:8080/predict
    curl --data-binary @photo.jpg http://localhost:8080/predict?signature=classify

A request is one JPEG or PNG file, as above; raw pixels, uint8 [B, H, W, 3], as
application/octet-stream with ?height=H&width=W; or, as Vertex AI sends it,

    {"instances": [{"b64": "…"}, …], "parameters": {"signature": "classify"}}

The answer is {"predictions": [{"embedding": […]}, …]}, one for each image. The
environment variables that Vertex AI sets name the routes.
"""

from __future__ import annotations

import base64
import http
import json
import os
import pathlib
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import tensorflow as tf

HEALTH = os.environ.get("AIP_HEALTH_ROUTE", "/health")
PREDICT = os.environ.get("AIP_PREDICT_ROUTE", "/predict")
MOST_BYTES = 16 * 2**20  # Of a request; longer ones never get into memory.
MOST_IMAGES = 64  # Of a request. The model itself refuses too many pixels.

Application = Callable[..., Iterable[bytes]]
Answer = tuple[int, dict[str, Any]]  # The status, and what becomes JSON.


class BadRequestError(ValueError):
    """An error of the client; its text is the answer."""


class Encoder:
    """A SavedModel that `export.saved_model` wrote.

    Args:
        place: The directory of a version, or of versions, of which the newest
            is taken.
    """

    def __init__(self, place: pathlib.Path) -> None:
        versions = [p for p in place.iterdir() if p.name.isdecimal()]
        newest = max(versions, key=lambda path: int(path.name), default=place)
        self._model = tf.saved_model.load(str(newest))

    def __call__(
        self, images: list[bytes] | np.ndarray, signature: str
    ) -> list[dict[str, Any]]:
        """Returns the outputs of each image by name, as JSON can hold them.

        Args:
            images: The contents of B JPEG or PNG files, or uint8 [B, H, W, 3].
            signature: "serving", or another that the model has.

        Raises:
            BadRequestError: If there is no such signature, or an image cannot
                be decoded.
        """
        if isinstance(images, np.ndarray):
            name = {"serving": "serving_default"}.get(signature, signature)
            inputs = {"images": tf.constant(images)}
        else:
            name = f"{signature}_bytes"
            inputs = {"image_bytes": tf.constant(images, tf.string)}
        function = self._model.signatures.get(name)
        if function is None or {*function.structured_input_signature[1]} != {
            *inputs
        }:
            raise BadRequestError(f"the model has no signature {signature!r}")
        try:
            found = function(**inputs)
        except tf.errors.InvalidArgumentError as error:
            raise BadRequestError("an image cannot be decoded") from error
        rows = {key: _plain(value.numpy()) for key, value in found.items()}
        return [
            {key: values[i] for key, values in rows.items()}
            for i in range(len(images))
        ]


def application(encoder: Encoder) -> Application:
    """Makes the WSGI application, which any WSGI server can run."""

    def answer(environ: dict[str, Any]) -> Answer:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path not in (HEALTH, PREDICT):
            return 404, {"error": f"nothing is at {path}"}
        wanted = "GET" if path == HEALTH else "POST"
        if method != wanted:
            return 405, {"error": f"{path} wants {wanted}"}
        if path == HEALTH:
            return 200, {"status": "ready"}
        length = environ.get("CONTENT_LENGTH") or ""
        if not length.isdecimal():
            return 411, {"error": "expected Content-Length"}
        if int(length) > MOST_BYTES:
            return 413, {"error": f"expected at most {MOST_BYTES:,} bytes"}
        try:
            images, signature = read(environ)
            return 200, {"predictions": encoder(images, signature)}
        except BadRequestError as error:
            return 400, {"error": str(error)}

    def serve(
        environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        status, content = answer(environ)
        body = json.dumps(content).encode()
        start_response(
            f"{status} {http.HTTPStatus(status).phrase}",
            [
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
            ],
        )
        return [body]

    return serve


def read(environ: dict[str, Any]) -> tuple[list[bytes] | np.ndarray, str]:
    """Reads the images of a request, and the signature to ask for.

    Raises:
        BadRequestError: If the request is of no kind that is served.
    """
    query = parse_qs(environ.get("QUERY_STRING", ""))
    signature = query.get("signature", ["serving"])[0]
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    kind = environ.get("CONTENT_TYPE", "").partition(";")[0]
    images: list[bytes] | np.ndarray = [body]
    try:
        if kind == "application/json":
            content = json.loads(body)
            images = [
                base64.b64decode(each["b64"], validate=True)
                for each in content["instances"]
            ]
            chosen = content.get("parameters") or {}
            signature = str(chosen.get("signature", signature))
        elif kind == "application/octet-stream":
            height, width = (int(query[n][0]) for n in ("height", "width"))
            pixels = np.frombuffer(body, np.uint8)
            images = pixels.reshape(-1, height, width, 3)
    except (
        AttributeError, LookupError, RecursionError, TypeError, ValueError
    ) as error:  # fmt: skip
        raise BadRequestError(
            'expected a JPEG or PNG file, {"instances": [{"b64": "…"}]}, or '
            "pixels with ?height=…&width=…"
        ) from error
    if not 1 <= len(images) <= MOST_IMAGES:
        raise BadRequestError(f"expected 1 to {MOST_IMAGES} images")
    return images, signature


def _plain(values: np.ndarray) -> list[Any]:
    if values.dtype == object:  # Text, as bytes.
        decode = np.vectorize(lambda v: v.decode(errors="replace"), [object])
        values = decode(values)
    return values.tolist()


def create() -> Application:
    """Loads the model that the variable MODEL names, and serves it."""
    encoder = Encoder(pathlib.Path(os.environ["MODEL"]))
    encoder(np.zeros([1, 32, 32, 3], np.uint8), "serving")  # To warm up.
    return application(encoder)
