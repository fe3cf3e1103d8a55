"""Warm-up requests and the server's files, as the server reads them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

from export.serving import warmup
from export.serving.saved_model_writer import EXTRA
from tests.export import exports

SERVING = warmup.BATCHING.parent


@pytest.fixture(scope="module")
def requests(digits_run):
    path = exports.exported(digits_run) / EXTRA / warmup.FILE
    logs = [
        prediction_log_pb2.PredictionLog.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(str(path))
    ]
    assert all(log.WhichOneof("log_type") == "predict_log" for log in logs)
    return [log.predict_log.request for log in logs]


def test_there_is_one_of_each_signature_and_size(requests, digits_run):
    served = exports.signatures(exports.exported(digits_run))
    sizes = {}
    for request in requests:
        assert request.model_spec.name == "and"
        (value,) = request.inputs.values()
        sizes.setdefault(request.model_spec.signature_name, []).append(
            value.tensor_shape.dim[0].size
        )
    assert sizes == {name: [1, 2, 4, 8, 16, 32, 64] for name in served}
    assert len(requests) <= warmup.MOST


def test_every_request_is_answered(requests, digits_run):
    served = exports.signatures(exports.exported(digits_run))
    for request in requests:
        inputs = {
            name: tf.constant(tf.make_ndarray(value))
            for name, value in request.inputs.items()
        }
        outputs = served[request.model_spec.signature_name](**inputs)
        (value,) = inputs.values()
        for output in outputs.values():
            assert output.shape[0] == value.shape[0]


def test_both_decoders_are_warmed(requests):
    request = next(r for r in requests if "image_bytes" in r.inputs)
    last = next(r for r in reversed(requests) if "image_bytes" in r.inputs)
    starts = {v[:2] for v in tf.make_ndarray(last.inputs["image_bytes"])}
    assert starts == {b"\xff\xd8", b"\x89P"}
    assert len(request.inputs["image_bytes"].string_val) == 1


def test_pictures_are_no_flat_ones():
    pictures = warmup._pictures(64, 3)
    assert pictures.shape == (64, 32, 32, 3)
    assert pictures.dtype == np.uint8
    assert pictures.std() > 50


def test_the_models_file_is_one():
    text = (SERVING / "models.config").read_text()
    config = text_format.Parse(
        text, model_server_config_pb2.ModelServerConfig()
    )
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path) == ("and", "/models/and")
    assert model.model_platform == "tensorflow"


def test_the_last_batch_size_is_the_largest_allowed():
    """As the server demands."""
    text = (SERVING / "batching_parameters.txt").read_text()
    sizes = warmup.batch_sizes()
    assert sizes == sorted(set(sizes))
    assert f"max_batch_size {{ value: {sizes[-1]} }}" in text
    for name in (
        "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads",
    ):  # fmt: skip
        assert f"\n{name} {{ value: " in text


def test_monitoring_is_for_prometheus():
    lines = (SERVING / "monitoring.config").read_text().splitlines()
    body = "".join(line for line in lines if not line.startswith("#"))
    assert "".join(body.split()) == (
        'prometheus_config{enable:true,path:"/monitoring/prometheus/metrics"}'
    )
