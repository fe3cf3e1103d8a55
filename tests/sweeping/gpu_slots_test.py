"""Which run may use which GPU; no GPU is needed."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile
import time

import pytest

from and_tf.distribution import nvidia
from and_tf.sweeping.gpu_slots import GpuSlots, Lease, in_words
from and_tf.utils.errors import InputError

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch) -> pathlib.Path:
    """Sweeps of this test meet in a directory of their own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"and_tf-gpus-{os.geteuid()}"


@pytest.fixture(autouse=True)
def no_cards(monkeypatch) -> None:
    """Names stand for themselves, whatever this machine has."""
    monkeypatch.setattr(nvidia, "_cards", lambda: ())


def taken(slots: GpuSlots) -> list[Lease]:
    leases = []
    while lease := slots.take():
        leases.append(lease)
    return leases


def gpus(leases: list[Lease]) -> list[tuple[str, ...]]:
    return [lease.gpus for lease in leases]


def test_each_run_has_a_gpu_of_its_own_and_gives_it_back():
    slots = GpuSlots(("0", "1", "2"))
    leases = taken(slots)
    assert gpus(leases) == [("0",), ("1",), ("2",)]
    assert len(leases) == slots.capacity
    leases[1].release()
    leases[1].release()  # Once is enough.
    assert gpus(taken(slots)) == [("1",)]


def test_several_runs_fill_all_gpus_alike():
    slots = GpuSlots(("0", "1"), runs_per_gpu=2)
    leases = taken(slots)
    assert gpus(leases) == [("0",), ("1",), ("0",), ("1",)]
    leases[1].release()
    assert slots.take().gpus == ("1",)


def test_a_run_of_several_gpus_has_all_or_none():
    slots = GpuSlots(("0", "1", "2"), gpus_per_run=2)
    (lease,) = taken(slots)
    assert lease.gpus == ("0", "1")
    single = GpuSlots(("2",)).take()  # What was left was not kept.
    lease.release()
    assert slots.take().gpus == ("0", "1")
    single.release()


@pytest.mark.parametrize(
    ("there", "runs_per_gpu", "gpus_per_run"),
    [(1, 1, 1), (3, 2, 2), (4, 1, 2), (5, 3, 4), (2, 3, 2)],
)
def test_capacity_is_what_can_be_taken(there, runs_per_gpu, gpus_per_run):
    names = tuple(str(i) for i in range(there))
    slots = GpuSlots(names, runs_per_gpu, gpus_per_run)
    leases = taken(slots)
    assert len(leases) == slots.capacity
    assert all(len(set(lease.gpus)) == gpus_per_run for lease in leases)
    used = [gpu for lease in leases for gpu in lease.gpus]
    assert max(used.count(gpu) for gpu in names) <= runs_per_gpu


def test_sweeps_keep_to_the_lowest_of_their_numbers():
    """Whichever of them was there first."""
    alone, shared = GpuSlots(("0",)), GpuSlots(("0",), runs_per_gpu=3)
    lease = alone.take()
    assert shared.take() is None
    lease.release()
    first, second = shared.take(), shared.take()
    first.release()  # A free slot, but a GPU that has a run.
    assert alone.take() is None
    second.release()
    assert alone.take() is not None


def test_a_card_is_the_same_by_number_and_by_uuid(monkeypatch):
    cards = (nvidia._Card("GPU-aaaa"), nvidia._Card("GPU-bbbb"))
    monkeypatch.setattr(nvidia, "_cards", lambda: cards)
    by_number = GpuSlots(("0", "1"))
    lease = GpuSlots(("GPU-aaaa",)).take()
    assert gpus(taken(by_number)) == [("1",)]
    lease.release()


CODE = """
import subprocess, sys
from and_tf.sweeping.gpu_slots import GpuSlots
lease = GpuSlots(("0",)).take()
child = subprocess.Popen(
    ["sleep", "60"], pass_fds=lease.descriptors, stdout=subprocess.DEVNULL
)
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_another_process_has_it_as_long_as_its_training_lives(tmp_path):
    """A killed sweep gives nothing back; the system does."""
    process = subprocess.Popen(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    child = int(process.stdout.readline())
    slots = GpuSlots(("0", "1"))
    assert gpus(taken(slots)) == [("1",)]
    process.kill()
    process.communicate()
    assert slots.take() is None  # The training uses the GPU all the same.
    os.kill(child, 9)
    while not (lease := slots.take()):  # Until the system has cleared it away.
        time.sleep(0.01)
    assert lease.gpus == ("0",)


def test_without_gpus_nothing_is_given_and_nothing_written(temporary):
    slots = GpuSlots()
    lease = slots.take()
    assert (lease.gpus, lease.environment(), slots.capacity) == ((), {}, 1)
    assert not temporary.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((("0",), 0, 1), "--runs_per_gpu of at least 1. Received: 0"),
        (((), 1, 0), "--gpus_per_run of at least 1. Received: 0"),
        ((("0", "1"), 1, 3), "the sweep may use, 2. Received: 3"),
        (((), 1, 2), "the sweep may use, 0. Received: 2"),
        ((("MIG-a", "MIG-b"), 1, 2), "--gpus_per_run=1 with MIG instances"),
    ],
)
def test_numbers_that_cannot_be(arguments, message):
    with pytest.raises(InputError, match=message):
        GpuSlots(*arguments)


def test_a_training_sees_its_own_gpus_by_their_place_on_the_bus(monkeypatch):
    for name in (nvidia.ORDER, "TF_FORCE_GPU_ALLOW_GROWTH"):
        monkeypatch.delenv(name, raising=False)
    lease = GpuSlots(("2", "3"), gpus_per_run=2).take()
    assert lease.environment() == {
        "CUDA_VISIBLE_DEVICES": "2,3",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }
    lease.release()
    monkeypatch.setenv(nvidia.ORDER, "FASTEST_FIRST")
    lease = GpuSlots(("2",), runs_per_gpu=2).take()
    assert lease.environment() == {
        "CUDA_VISIBLE_DEVICES": "2",
        "CUDA_DEVICE_ORDER": "FASTEST_FIRST",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }


def test_files_in_use_are_not_left_to_grow_old(temporary, monkeypatch):
    monkeypatch.setattr("and_tf.sweeping.gpu_slots.TOUCH", 0.0)
    lease = GpuSlots(("0",)).take()
    (path,) = temporary.glob("*.slot_*")
    os.utime(path, (0, 0))
    lease.beat()
    assert path.stat().st_mtime > 0
    lease.release()


def test_names_for_people():
    assert in_words(()) == ""
    assert in_words(("0",)) == "GPU 0"
    assert in_words(("0", "1", "5")) == "GPUs 0, 1 and 5"
    assert in_words(("GPU-a", "MIG-b")) == "GPU-a and MIG-b"
