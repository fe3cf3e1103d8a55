"""Settings of Keras that the project cannot work with."""

from __future__ import annotations

import json

import pytest

from and_tf.utils import environment
from and_tf.utils.errors import InputError


@pytest.fixture
def home(tmp_path):
    return {"KERAS_HOME": str(tmp_path)}


def write(tmp_path, content):
    (tmp_path / "keras.json").write_text(json.dumps(content))


@pytest.mark.parametrize("value", ["jax", "torch", ""])
def test_refuses_another_backend(home, value):
    with pytest.raises(InputError, match=f"Received: {value!r} as KERAS_BACK"):
        environment.check({**home, "KERAS_BACKEND": value})


@pytest.mark.parametrize("value", ["1", "True"])
def test_refuses_keras_2(home, value):
    with pytest.raises(InputError, match=f"TF_USE_LEGACY_KERAS={value}"):
        environment.check({**home, "TF_USE_LEGACY_KERAS": value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_data_format", "channels_first"),
        ("backend", "jax"),
        ("floatx", "float64"),
    ],
)
def test_refuses_what_keras_json_says(home, tmp_path, name, value):
    write(tmp_path, {"epsilon": 1e-7, name: value})
    with pytest.raises(InputError, match=f"{name} .*'{value}' in {tmp_path}"):
        environment.check(home)


def test_the_variable_wins_over_the_file_as_in_keras(home, tmp_path):
    write(tmp_path, {"backend": "jax"})
    environment.check({**home, "KERAS_BACKEND": "tensorflow"})


@pytest.mark.parametrize("content", ["{", "[]", '"jax"'])
def test_passes_over_a_file_that_says_nothing(home, tmp_path, content):
    (tmp_path / "keras.json").write_text(content)
    environment.check({**home, "TF_USE_LEGACY_KERAS": "0"})
    environment.check({"KERAS_HOME": str(tmp_path / "missing")})
