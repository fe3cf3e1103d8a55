"""Which cards are used, and what is said if there are too few."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import tensorflow as tf

from and_tf.distribution import devices as seen
from and_tf.training import results
from and_tf.utils.errors import InputError
from benchmarks.gpu import devices


def test_without_a_gpu():
    with pytest.raises(
        InputError, match="a GPU. Received: none .*--device=cpu"
    ):
        devices.check([], 1)


def test_fewer_than_are_wanted():
    names = ["NVIDIA L4", "NVIDIA L4"]
    assert devices.check(names, 2) == "NVIDIA L4"
    with pytest.raises(InputError, match="Expected 8 GPUs .* Received: 2"):
        devices.check(names, 8)


def test_cards_of_two_models_are_not_measured_as_one():
    names = ["NVIDIA L4", "Tesla T4"]
    assert devices.check(names, 1) == "NVIDIA L4"
    with pytest.raises(InputError, match="one model"):
        devices.check(names, 2)


@pytest.mark.parametrize(
    "outer, wanted, visible",
    [
        ({}, 2, "0,1"),
        ({"CUDA_VISIBLE_DEVICES": "3,5,7"}, 2, "3,5"),
        ({"CUDA_VISIBLE_DEVICES": "GPU-a1"}, 1, "GPU-a1"),
    ],
)
def test_trainings_see_as_many_as_are_wanted(outer, wanted, visible):
    found = devices.environment(wanted, False, outer)
    assert found == {"CUDA_VISIBLE_DEVICES": visible}


def test_on_a_cpu_trainings_see_none():
    outer = {"CUDA_VISIBLE_DEVICES": "0"}
    assert devices.environment(1, True, outer) == {"CUDA_VISIBLE_DEVICES": "-1"}


def test_names_come_from_the_drivers(monkeypatch):
    """As no GPU is at hand, TensorFlow's answers are made up."""
    details = {"one": {"device_name": "NVIDIA L4"}, "two": {}}
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda kind: [*details]
    )
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details", details.__getitem__
    )
    assert seen.gpu_names() == ["NVIDIA L4", "GPU"]
    machine = results.machine()
    assert machine["gpus"] == 2
    assert machine["gpu_names"] == ["NVIDIA L4", "GPU"]


def test_a_process_of_its_own_is_asked(monkeypatch):
    monkeypatch.setattr(sys, "executable", "python-of-another")

    def run(arguments, **_):
        assert arguments == [
            "python-of-another",
            "-m",
            "benchmarks.gpu.devices",
        ]
        text = "a line of a library\n" + json.dumps(["NVIDIA L4"]) + "\n"
        return subprocess.CompletedProcess(arguments, 0, text)

    monkeypatch.setattr(subprocess, "run", run)
    assert devices.find_names() == ["NVIDIA L4"]
    failed = subprocess.CompletedProcess([], 1, "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(InputError, match="TensorFlow that starts"):
        devices.find_names()
