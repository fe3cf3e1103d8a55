"""Do work in a process of its own, as `processes.MeasuringProcess` asks."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from multiprocessing.connection import Connection

from absl import flags

from and_tf.utils import cli
from benchmarks.harness.comparison import Work

_PIPE = flags.DEFINE_integer(
    "pipe",
    None,
    "File descriptor of the pipe to the parent process.",
    required=True,
)

# Packages by the name of the module that each brings.
PACKAGES = {
    "tensorflow": "tensorflow",
    "keras": "keras",
    "keras_cv": "keras-cv",
    "torch": "torch",
    "faiss": "faiss-cpu",
    "PIL": "pillow",
    "numpy": "numpy",
}


def main(argv: Sequence[str]) -> None:
    """Prepare the work, then do what is asked until nothing more is."""
    del argv
    # Processes that the work starts must not hold the pipe open.
    os.set_inheritable(_PIPE.value, False)
    with Connection(_PIPE.value) as pipe:
        prepare, arguments = pipe.recv()
        made = prepare(**arguments)
        is_work = isinstance(made, Work)
        pipe.send((versions(), None if is_work else made))
        with contextlib.suppress(EOFError):
            while is_work:
                pipe.send(getattr(made, pipe.recv())())


def versions() -> dict[str, str]:
    """Return the versions of those packages that this process has imported."""
    return {
        package: metadata.version(package)
        for module, package in PACKAGES.items()
        if module in sys.modules
    }


if __name__ == "__main__":
    cli.run(main)
