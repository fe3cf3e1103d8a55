"""Finds the NVIDIA GPUs of this machine without starting TensorFlow.

TensorFlow counts GPUs by starting its GPU runtime, which takes memory on each
of them and keeps it for as long as the process lives. A process that only
shares GPUs out, or only wants to say that there is one, asks here instead.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
import re
import subprocess

VISIBLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"
BUS_ORDER = "PCI_BUS_ID"  # The order in which nvidia-smi numbers GPUs.

# A driver that keeps nothing in memory between two programs needs a second or
# two for each card before nvidia-smi can answer.
_TIME_LIMIT = 30.0  # Seconds.
_DEVICES = pathlib.Path("/dev")
_DRIVER = pathlib.Path("/proc/driver/nvidia/gpus")
_CARD = re.compile(r"GPU \d+: .*\(UUID: (GPU-[^)]+)\)")
_INSTANCE = re.compile(r"\s+MIG .*\(UUID: (MIG-[^)]+)\)")
_NAME = re.compile(r"\d{1,4}|(GPU|MIG)-[\w/-]{1,100}")


@dataclasses.dataclass(frozen=True)
class _Card:
    """A physical GPU.

    Attributes:
        uuid: "GPU-…", or "" if nvidia-smi could not be asked.
        instances: UUIDs of the parts that Multi-Instance GPU (MIG) splits it
            into; empty if it is not split.
    """

    uuid: str = ""
    instances: tuple[str, ...] = ()


def visible_gpus() -> tuple[str, ...]:
    """Returns the GPUs that a program started from here may use.

    If CUDA_VISIBLE_DEVICES is set, these are its entries, read as CUDA reads
    them: everything from the first entry on that names no device is hidden,
    so that "" and "-1" mean none. On a machine where no GPU can be counted,
    every well-formed entry is believed. Otherwise these are all GPUs.

    Returns:
        Values for CUDA_VISIBLE_DEVICES, each GPU once: numbers ("0", in the
        order PCI_BUS_ID), or UUIDs ("GPU-…", "MIG-…") if the variable has
        them or a card is split into MIG instances.
    """
    entries = os.environ.get(VISIBLE)
    if entries is None:
        return _all(_cards())
    found: dict[str, str] = {}
    for entry in entries.split(","):
        entry = entry.strip()
        if not _NAME.fullmatch(entry) or not _exists(entry):
            break
        found.setdefault(identity(entry), entry)
    return tuple(found.values())


def present() -> bool:
    """Returns whether this machine has an NVIDIA GPU.

    GPUs that CUDA_VISIBLE_DEVICES hides count too.
    """
    return _count() > 0 or bool(_cards())


def identity(gpu: str) -> str:
    """Returns one name for a GPU, however it is written.

    Args:
        gpu: A number, a UUID or the beginning of one, from `visible_gpus`.

    Returns:
        The whole UUID if it is known, otherwise `gpu`. Numbers in another order
        than that of the bus stay numbers: only CUDA itself knows which card is
        the fastest.
    """
    cards = _cards()
    if gpu.isdecimal():
        number = int(gpu)
        in_order = os.environ.get(ORDER, BUS_ORDER) == BUS_ORDER
        known = in_order and number < len(cards)
        return (known and cards[number].uuid) or str(number)
    names = [name for c in cards for name in (c.uuid, *c.instances)]
    matches = [name for name in names if name.startswith(gpu)]
    return matches[0] if len(matches) == 1 else gpu


def _all(cards: tuple[_Card, ...]) -> tuple[str, ...]:
    if not any(card.instances for card in cards):
        return tuple(str(number) for number in range(len(cards)))
    # A number would mean the first instance of a split card alone.
    return tuple(u for card in cards for u in card.instances or (card.uuid,))


def _exists(entry: str) -> bool:
    """Returns whether a well-formed entry may name a device that exists."""
    cards = _cards()
    if entry.isdecimal():
        return not cards or int(entry) < len(cards)
    if entry.startswith("GPU-") and any(card.uuid for card in cards):
        return any(card.uuid.startswith(entry) for card in cards)
    return True


@functools.cache
def _cards() -> tuple[_Card, ...]:
    """Returns the cards of nvidia-smi or, without it, as many as counted."""
    return _asked() or (_Card(),) * _count()


def _asked() -> tuple[_Card, ...]:
    """Asks nvidia-smi, which sees what a container or a job may use."""
    try:
        asked = subprocess.Popen(
            ["nvidia-smi", "-L"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
    except OSError:  # There is no nvidia-smi.
        return ()
    try:
        answer, _ = asked.communicate(timeout=_TIME_LIMIT)
    except subprocess.TimeoutExpired:
        # Its end is not awaited: a driver that hangs may never release it.
        asked.kill()
        return ()
    cards: list[_Card] = []
    for line in answer.splitlines():
        if match := _CARD.match(line):
            cards.append(_Card(match[1]))
        elif cards and (match := _INSTANCE.match(line)):
            instances = (*cards[-1].instances, match[1])
            cards[-1] = dataclasses.replace(cards[-1], instances=instances)
    return tuple(cards)


def _count() -> int:
    """Counts GPUs by their files.

    Those in /dev come first: a container that was given one card of eight
    may still see all eight in /proc. On a machine that was just started,
    /dev may have none until the first program uses a GPU.
    """
    return len(list(_DEVICES.glob("nvidia[0-9]*"))) or len(
        list(_DRIVER.glob("*"))
    )
