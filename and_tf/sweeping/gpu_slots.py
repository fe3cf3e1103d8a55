"""Shares the GPUs of a machine among the runs of all sweeps on it.

Each run holds a lease on its GPUs: a locked slot for each of them. The
operating system keeps the locks for the sweep and for the training that
inherits them, and releases them as soon as both have ended for any reason. So
a run that was killed never keeps a GPU.

These are not coordinated: sweeps of different users, sweeps in containers or
jobs that do not share a directory for temporary files, and other programs.
"""

from __future__ import annotations

import os
import time
import urllib.parse
from collections.abc import Sequence

from and_tf.distribution import nvidia
from and_tf.sweeping import slot_files
from and_tf.utils.errors import InputError

# Seconds between two touches, as systems remove old temporary files.
TOUCH = 3600.0
_GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"


class Lease:
    """The right of a run to use some GPUs, until it is released.

    Args:
        gpus: Values for CUDA_VISIBLE_DEVICES. If empty, the run's environment
            is not changed.
        shared: True if other runs may use the same GPUs.
        descriptors: The open, locked files of the slots. A training that
            inherits them keeps the lease alive too.
    """

    def __init__(
        self,
        gpus: Sequence[str] = (),
        shared: bool = False,
        descriptors: Sequence[int] = (),
    ) -> None:
        self.gpus = tuple(gpus)
        self.descriptors = tuple(descriptors)
        self._shared = shared
        self._touched = time.monotonic()

    def environment(self) -> dict[str, str]:
        """Returns the variables by which a training sees only these GPUs."""
        if not self.gpus:
            return {}
        variables = {
            nvidia.VISIBLE: ",".join(self.gpus),
            # By default CUDA numbers GPUs by speed, but nvidia-smi by bus id.
            nvidia.ORDER: os.environ.get(nvidia.ORDER) or nvidia.BUS_ORDER,
        }
        if self._shared:
            # By default the first run takes all of the GPU's memory.
            variables[_GROWTH] = os.environ.get(_GROWTH) or "true"
        return variables

    def beat(self) -> None:
        """Touches the files every `TOUCH` seconds, so that they are kept."""
        if time.monotonic() - self._touched >= TOUCH:
            self._touched = time.monotonic()
            for descriptor in self.descriptors:
                os.utime(descriptor)

    def release(self) -> None:
        """Gives the GPUs back; a second call does nothing."""
        descriptors, self.descriptors = self.descriptors, ()
        for descriptor in descriptors:
            os.close(descriptor)


class GpuSlots:
    """The GPUs that one sweep may use, and how its runs share them.

    Args:
        gpus: Values for CUDA_VISIBLE_DEVICES, from `nvidia.visible_gpus`. If
            empty, one run is in progress at a time and gets no GPU.
        runs_per_gpu: The number of runs that may use a GPU at the same time.
            If sweeps have different numbers, the lowest is valid.
        gpus_per_run: The number of GPUs that each run uses.

    Raises:
        InputError: If a number is less than 1, or a run needs more GPUs than
            there are or than it can use.
    """

    def __init__(
        self,
        gpus: Sequence[str] = (),
        runs_per_gpu: int = 1,
        gpus_per_run: int = 1,
    ) -> None:
        # Only Windows has no locks, and TensorFlow has no GPU there either.
        self.gpus = tuple(gpus) if slot_files.fcntl else ()
        self.runs_per_gpu = runs_per_gpu
        self.gpus_per_run = gpus_per_run
        self._check()
        self._file_names = {
            gpu: urllib.parse.quote(nvidia.identity(gpu), safe="")
            for gpu in self.gpus
        }

    def _check(self) -> None:
        for name in ("runs_per_gpu", "gpus_per_run"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"Expected --{name} of at least 1. Received: "
                    f"{getattr(self, name)}."
                )
        wanted, there = self.gpus_per_run, len(self.gpus)
        if wanted > max(there, 1):
            raise InputError(
                f"Expected --gpus_per_run of at most the number of GPUs that "
                f"the sweep may use, {there}. Received: {wanted}. Lower it, "
                f"or let the sweep see more GPUs ({nvidia.VISIBLE} hides "
                f"those that it does not name)."
            )
        if wanted > 1 and any(gpu.startswith("MIG-") for gpu in self.gpus):
            raise InputError(
                f"Expected --gpus_per_run=1 with MIG instances, of which a "
                f"program can use one only. Received: {wanted}."
            )

    @property
    def capacity(self) -> int:
        """The number of runs that can be in progress at once, at least 1."""
        if not self.gpus:
            return 1
        return len(self.gpus) * self.runs_per_gpu // self.gpus_per_run

    def take(self) -> Lease | None:
        """Takes the GPUs for one run, those with the fewest runs first.

        Returns:
            A lease, or None if too few GPUs have room. Then no GPU is taken,
            so that two sweeps never wait for each other's GPUs.

        Raises:
            InputError: If the files of the slots cannot be used.
        """
        if not self.gpus:
            return Lease()
        with slot_files.opened() as slots:
            limits = {g: slots.limits(n) for g, n in self._file_names.items()}
            free = [gpu for gpu in self.gpus if self._has_room(limits[gpu])]
            free.sort(key=lambda gpu: len(limits[gpu]))
            chosen = sorted(free[: self.gpus_per_run], key=self.gpus.index)
            if len(chosen) < self.gpus_per_run:
                return None
            names = [self._file_names[gpu] for gpu in chosen]
            locked = [slots.lock(name, self.runs_per_gpu) for name in names]
        return Lease(chosen, self.runs_per_gpu > 1, locked)

    def _has_room(self, limits: Sequence[int]) -> bool:
        """Returns whether a GPU can take another run, by all runs' limits."""
        return len(limits) < min([self.runs_per_gpu, *limits])


def in_words(gpus: Sequence[str]) -> str:
    """Returns the names of GPUs: "GPU 0", "GPUs 0 and 1", "MIG-4a…"."""
    if not gpus:
        return ""
    *others, last = gpus
    names = f"{', '.join(others)} and {last}" if others else last
    if not any(gpu.isdecimal() for gpu in gpus):
        return names
    return f"GPU{'s' if others else ''} {names}"
