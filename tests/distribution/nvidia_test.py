"""Which GPUs there are, on machines that are pretended."""

from __future__ import annotations

import pathlib
import subprocess
from collections.abc import Iterator

import pytest

from and_tf.distribution import nvidia

TWO = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aaaa1111-0000)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-aaaa2222-0000)
"""
SPLIT = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa1111-0000)
  MIG 3g.20gb     Device  0: (UUID: MIG-bbbb1111-0000)
  MIG 1g.5gb      Device  1: (UUID: MIG-GPU-aaaa1111-0000/7/0)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa2222-0000)
"""


class Machine:
    """A machine without GPUs, to which some can be added."""

    def __init__(self, root: pathlib.Path) -> None:
        self.bin, self.devices, self.driver = (
            root / name for name in ("bin", "dev", "gpus")
        )
        for directory in (self.bin, self.devices, self.driver):
            directory.mkdir()

    def answers(self, text: str, code: int = 0) -> None:
        """Gives it an nvidia-smi."""
        program = self.bin / "nvidia-smi"
        program.write_text(
            f"#!/bin/sh\n[ \"$*\" = -L ] && echo '{text}'\nexit {code}\n"
        )
        program.chmod(0o755)


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    monkeypatch.setattr(nvidia, "_DEVICES", machine.devices)
    monkeypatch.setattr(nvidia, "_DRIVER", machine.driver)
    monkeypatch.setenv("PATH", str(machine.bin))
    for name in (nvidia.VISIBLE, nvidia.ORDER):
        monkeypatch.delenv(name, raising=False)
    nvidia._cards.cache_clear()
    yield machine
    nvidia._cards.cache_clear()


def test_a_machine_without_any(machine):
    assert nvidia.visible_gpus() == ()
    assert not nvidia.present()


def test_devices_are_counted_and_the_others_files_are_not(machine):
    """In a container the numbers of the files are those of the host."""
    for name in ("nvidia3", "nvidia12", "nvidiactl", "nvidia-uvm", "null"):
        (machine.devices / name).touch()
    for place in range(8):  # The host's, seen from within a container.
        (machine.driver / f"0000:{place}0:00.0").mkdir()
    assert nvidia.visible_gpus() == ("0", "1")
    assert nvidia.present()


def test_a_driver_whose_devices_were_not_used_yet(machine):
    (machine.driver / "0000:01:00.0").mkdir()
    assert nvidia.visible_gpus() == ("0",)
    assert nvidia.present()


def test_nvidia_smi_knows_more_than_the_files(machine):
    (machine.devices / "nvidia0").touch()
    machine.answers(TWO)
    assert nvidia.visible_gpus() == ("0", "1")


def test_nvidia_smi_alone_as_under_windows_subsystem_for_linux(machine):
    machine.answers(TWO)
    assert nvidia.present()


def test_a_broken_nvidia_smi_is_passed_over(machine):
    machine.answers("NVIDIA-SMI has failed to talk to the driver.", 9)
    assert nvidia.visible_gpus() == ()
    (machine.devices / "nvidia0").touch()
    nvidia._cards.cache_clear()
    assert nvidia.visible_gpus() == ("0",)


def test_an_nvidia_smi_that_hangs_is_left_behind(machine, monkeypatch):
    class Hangs:
        killed = False

        def __init__(self, *_, **__) -> None: ...

        def communicate(self, timeout: float) -> None:
            raise subprocess.TimeoutExpired("nvidia-smi", timeout)

        def kill(self) -> None:
            Hangs.killed = True

    monkeypatch.setattr(subprocess, "Popen", Hangs)
    (machine.devices / "nvidia0").touch()
    assert nvidia.visible_gpus() == ("0",)
    assert Hangs.killed


def test_instances_are_devices_of_their_own(machine):
    machine.answers(SPLIT)
    assert nvidia.visible_gpus() == (
        "MIG-bbbb1111-0000",
        "MIG-GPU-aaaa1111-0000/7/0",
        "GPU-aaaa2222-0000",
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ()),
        ("-1", ()),
        ("NoDevFiles", ()),
        ("1", ("1",)),
        ("1, 0", ("1", "0")),
        ("0,-1,1", ("0",)),  # CUDA reads no further than the first mistake.
        ("0,2,1", ("0",)),  # There is no third.
        ("0,0,00,GPU-aaaa1", ("0",)),  # Four times the same card.
        ("GPU-aaaa2,GPU-aaaa1", ("GPU-aaaa2", "GPU-aaaa1")),
        ("GPU-cccc,0", ()),
        ("MIG-bbbb1111-0000", ("MIG-bbbb1111-0000",)),
        ("MIG-GPU-aaaa1111-0000/7/0", ("MIG-GPU-aaaa1111-0000/7/0",)),
    ],
)
def test_the_variable_is_read_as_cuda_reads_it(
    machine, monkeypatch, value, expected
):
    machine.answers(TWO)
    monkeypatch.setenv(nvidia.VISIBLE, value)
    assert nvidia.visible_gpus() == expected
    assert nvidia.present()  # Hidden or not.


def test_the_variable_is_believed_where_nothing_can_be_counted(
    machine, monkeypatch
):
    monkeypatch.setenv(nvidia.VISIBLE, "0,7,GPU-cccc")
    assert nvidia.visible_gpus() == ("0", "7", "GPU-cccc")
    assert not nvidia.present()


def test_a_card_has_one_name_however_it_is_written(machine, monkeypatch):
    machine.answers(TWO)
    names = ("1", "01", "GPU-aaaa2", "GPU-aaaa2222-0000")
    assert {nvidia.identity(name) for name in names} == {"GPU-aaaa2222-0000"}
    assert nvidia.identity("GPU-aaaa") == "GPU-aaaa"  # It may be either.
    monkeypatch.setenv(nvidia.ORDER, "FASTEST_FIRST")
    assert nvidia.identity("1") == "1"  # Which that is, CUDA alone knows.
