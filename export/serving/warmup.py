"""Requests that TensorFlow Serving sends a model before anyone else does.

The first request of a kind is slow, as kernels are made and memory is
allocated; a server answers these before it takes the model into service.
"""

from __future__ import annotations

import io
import pathlib
import re
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

FILE = "tf_serving_warmup_requests"  # In assets.extra, where it is looked for.
MOST = 1000  # More records, and a server refuses the file.
BATCHING = pathlib.Path(__file__).parent / "batching_parameters.txt"
_SIDE = 32  # Pixels; a model resizes what it is given.


def batch_sizes() -> list[int]:
    """The batch sizes that the server is configured to run."""
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
        path: The file.
        model_name: By which the server knows the model.
        inputs: The one input of each signature: uint8 [None, None, None, 3],
            or string [None] for encoded files.
        sizes: Of the batches.
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
    images = _pictures(size)
    values = [_encode(i, image) for i, image in enumerate(images)]
    batch = images if spec.dtype == tf.uint8 else values
    request.model_spec.name = model_name
    request.model_spec.signature_name = signature
    request.inputs[spec.name].CopyFrom(tf.make_tensor_proto(batch, spec.dtype))


def _pictures(count: int) -> np.ndarray:
    """Smooth waves, uint8 [count, side, side, 3], as small files as photos."""
    number, y, x, channel = np.ogrid[:count, :_SIDE, :_SIDE, :3]
    waves = np.sin(x / (3 + number % 5) + y / (4 + channel))
    return np.uint8(128 + 120 * waves)


def _encode(number: int, image: np.ndarray) -> bytes:
    """JPEG and PNG by turns, since both decoders are to be warm."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, ("JPEG", "PNG")[number % 2])
    return file.getvalue()
