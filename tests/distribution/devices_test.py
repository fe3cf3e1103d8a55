"""Memory of accelerators: TensorFlow's word, or that of NVIDIA's tool."""

from __future__ import annotations

import subprocess

import pytest
import tensorflow as tf

from and_tf.distribution import devices as module


@pytest.fixture
def smi(monkeypatch):
    """Has `nvidia-smi` list two GPUs; a list, to be changed."""
    listed = ["81559", "40960"]

    def run(command, **_):
        assert command[0] == "nvidia-smi"
        if not listed:
            raise FileNotFoundError(command[0])
        return subprocess.CompletedProcess(command, 0, "\n".join(listed))

    monkeypatch.setattr(subprocess, "run", run)
    return listed


def test_a_cpu_has_none(smi):
    assert module.total_bytes("CPU:0") is None
    assert module.total_bytes("") is None  # Here it is a CPU.
    assert module.free_bytes("/job:localhost/device:CPU:1") is None


@pytest.mark.parametrize("name", ["GPU:1", "/job:a/task:0/device:GPU:1"])
def test_is_what_tensorflow_allows(monkeypatch, smi, name):
    limits = {("GPU", 0): 5, ("GPU", 1): 7}
    monkeypatch.setattr(module, "_limits_of_tensorflow", lambda: limits)
    monkeypatch.setattr(
        tf.config.experimental,
        "get_memory_info",
        lambda device: {"current": {"GPU:1": 3}[device], "peak": 9},
    )
    assert module.total_bytes(name) == 7
    assert module.free_bytes(name) == 4


def test_else_the_smallest_that_the_tool_lists(monkeypatch, smi):
    monkeypatch.setattr(module, "_limits_of_tensorflow", dict)
    assert module.total_bytes("GPU:0") == 40960 * 2**20
    assert module.total_bytes("TPU:0") is None
    assert module.free_bytes("GPU:0") is None  # There is no such device.
    smi.clear()
    assert module.total_bytes("GPU:0") is None


def test_a_tool_that_says_something_else(monkeypatch, smi):
    monkeypatch.setattr(module, "_limits_of_tensorflow", dict)
    smi[:] = ["[N/A]"]
    assert module.total_bytes("GPU:0") is None


def test_tensorflow_tells_of_all_its_devices():
    """Where it is not public: the names are those of the public list."""
    limits = module._limits_of_tensorflow()
    names = {f"{kind}:{number}" for kind, number in limits}
    listed = {d.name for d in tf.config.list_logical_devices()}
    assert {f"/device:{name}" for name in names} == listed
    assert all(limit > 0 for limit in limits.values())


def test_another_tensorflow_may_have_no_such_functions(monkeypatch):
    from tensorflow.python import pywrap_tfe

    monkeypatch.delattr(pywrap_tfe, "TFE_ContextListDevices")
    assert module._limits_of_tensorflow() == {}
