"""Writes the requests with which TensorFlow Serving warms a model up.

The first request of each kind is slow, because kernels are created and memory
is allocated. A server runs these requests before it puts the model into
service.
"""

from __future__ import annotations

import io
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

FILE = "tf_serving_warmup_requests"  # The server expects it in assets.extra.
MOST = 1000  # A server refuses a file with more records.
BATCHING = pathlib.Path(__file__).parent / "batching_parameters.txt"
_SIDE = 32  # Pixels; a model resizes its input.


def batch_sizes() -> list[int]:
    """Reads the batch sizes that the server is configured to run."""
    text = BATCHING.read_text(encoding="utf-8")
    found = re.findall(r"^\s*allowed_batch_sizes:\s*(\d+)", text, re.MULTILINE)
    return [int(size) for size in found]


def write(
    path: pathlib.Path,
    model_name: str,
    inputs: Mapping[str, tf.TensorSpec],
    sizes: list[int],
) -> None:
    """Writes a request for each signature and batch size, as TFRecords.

    Args:
        path: The file to write.
        model_name: Name by which the server knows the model.
        inputs: The single input of each signature: uint8 or float32
            [None, None, None, C] for pixels, or string [None] for encoded
            files.
        sizes: The batch sizes.
    """
    with tf.io.TFRecordWriter(str(path)) as file:
        for signature, spec in inputs.items():
            for size in sizes:
                log = prediction_log_pb2.PredictionLog()
                request = log.predict_log.request
                _fill(request, model_name, signature, spec, size)
                file.write(log.SerializeToString())


def _fill(
    request: predict_pb2.PredictRequest,
    model_name: str,
    signature: str,
    spec: tf.TensorSpec,
    size: int,
) -> None:
    batch: Any
    if spec.dtype == tf.string:
        pictures = _pictures(size, 3)
        batch = [_encode(i, image) for i, image in enumerate(pictures)]
    else:
        batch = _pictures(size, spec.shape[-1]).astype(spec.dtype.name)
    request.model_spec.name = model_name
    request.model_spec.signature_name = signature
    request.inputs[spec.name].CopyFrom(tf.make_tensor_proto(batch, spec.dtype))


def _pictures(count: int, channels: int) -> np.ndarray:
    """Draws waves, uint8 [count, 32, 32, C], which compress like photos."""
    number, y, x, channel = np.ogrid[:count, :_SIDE, :_SIDE, :channels]
    waves = np.sin(x / (3 + number % 5) + y / (4 + channel))
    return (128 + 120 * waves).astype(np.uint8)


def _encode(number: int, image: np.ndarray) -> bytes:
    """Encodes JPEG and PNG in turn, so that both decoders are warmed up."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, ("JPEG", "PNG")[number % 2])
    return file.getvalue()
