"""Finds the cards that the trainings are to use.

As a program, `python -m benchmarks.gpu.devices` prints the names of the GPUs
that TensorFlow sees, as a line of JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from and_tf.utils import cli
from and_tf.utils.errors import InputError

VISIBLE = "CUDA_VISIBLE_DEVICES"
_NONE = "-1"


def main(argv: Sequence[str]) -> None:
    """Prints the names."""
    del argv
    cli.import_tensorflow()
    from and_tf.distribution.devices import gpu_names

    print(json.dumps(gpu_names()))


def find_names() -> list[str]:
    """Asks a process of its own, so that this one uses no GPU.

    Returns:
        The models of the GPUs that are visible here.

    Raises:
        InputError: If TensorFlow cannot be started.
    """
    child = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu.devices"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    lines = child.stdout.splitlines()
    if child.returncode or not lines:
        raise InputError(
            "Expected a TensorFlow that starts. Received the error above. "
            "Install requirements.txt, and run from the project's directory."
        )
    return json.loads(lines[-1])


def check(names: Sequence[str], wanted: int) -> str:
    """Holds the GPUs there are against those that are wanted.

    Args:
        names: From `find_names`.
        wanted: How many devices are to be used.

    Returns:
        The model of the cards.

    Raises:
        InputError: If there are fewer, or different ones among them.
    """
    if not names:
        raise InputError(
            "Expected a GPU. Received: none that TensorFlow sees. Install its "
            "CUDA libraries (pip install 'tensorflow[and-cuda]') and a driver "
            f"that nvidia-smi can talk to, look at {VISIBLE}, or try the "
            "program on the CPU with --device=cpu --tiny. "
            "TF_CPP_MIN_LOG_LEVEL=0 shows why TensorFlow finds none."
        )
    if wanted > len(names):
        raise InputError(
            f"Expected {wanted} GPUs for --devices={wanted}. Received: "
            f"{len(names)} ({', '.join(names)}). Lower --devices, or make "
            f"more of them visible in {VISIBLE}."
        )
    used = names[:wanted]
    if len(set(used)) > 1:
        raise InputError(
            f"Expected cards of one model. Received: {', '.join(used)}. Choose "
            f"some with {VISIBLE}; the slowest one would be measured."
        )
    return used[0]


def environment(
    wanted: int, on_cpu: bool, outer: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Returns the variables that show a process the wanted devices alone.

    Args:
        wanted: How many GPUs.
        on_cpu: Whether it is to use none of them.
        outer: The variables of this process.
    """
    if on_cpu:
        return {VISIBLE: _NONE}
    visible = outer.get(VISIBLE, "").split(",")
    if visible == [""]:
        visible = [str(number) for number in range(wanted)]
    return {VISIBLE: ",".join(visible[:wanted])}


if __name__ == "__main__":
    cli.run(main)
