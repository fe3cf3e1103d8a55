"""Measure an exported model under load: images a second, and latencies.

    python -m benchmarks.load
    python -m benchmarks.load --encoder=efficientnet_lite0 --image_size=224 \\
        --batches=1,8 --signatures=serving_bytes
    python -m benchmarks.load --quick        # to see it work

It exports an untrained encoder, whose speed is that of a trained one, and asks
the loaded graph from 1 to 16 threads at once. That takes a minute or two, on a
machine that has to do nothing else. Figures go to benchmarks/results/load/, and
from there to benchmarks/LOAD.md.
"""

from __future__ import annotations

import os
import pathlib
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import numpy as np
from absl import flags

from and_tf.utils import atomic_files, cli
from and_tf.utils.errors import InputError
from benchmarks import pages
from benchmarks.harness import processes, program_flags, record
from benchmarks.load import closed_loop, page

_ENCODER = flags.DEFINE_string(
    "encoder", "small", "Encoder that is exported, such as resnet18."
)
_IMAGE_SIZE = flags.DEFINE_integer(
    "image_size",
    64,
    "Side of the encoder's images, in pixels.",
    lower_bound=8,
)
_SIGNATURES = flags.DEFINE_list(
    "signatures",
    ["serving_default", "serving_bytes"],
    "Signatures to ask for, separated by commas.",
)
_BATCHES = flags.DEFINE_list(
    "batches", ["1", "8", "32"], "Numbers of images in a request."
)
_CLIENTS = flags.DEFINE_list(
    "clients", ["1", "2", "4", "8", "16"], "Numbers of clients."
)
_FILE_SIDE = flags.DEFINE_integer(
    "file_side",
    256,
    "Side of the images in files, in pixels.",
    lower_bound=8,
)
_SECONDS = flags.DEFINE_float(
    "seconds",
    2.0,
    "Time, in seconds, that each load lasts, about.",
    lower_bound=0.01,
)
_THREADS = program_flags.threads("TensorFlow")
_QUICK = flags.DEFINE_bool(
    "quick",
    False,
    "Measure three small loads for a moment, to see the program work. Nothing "
    "is written.",
)
_MEASURE = program_flags.measure()


def main(argv: Sequence[str]) -> None:
    """Measure, print the table, and write the page."""
    del argv
    if _MEASURE.value:
        found = measured()
        print(page.render([found]))
        if _QUICK.value:
            return
        name = f"{found['encoder']}_{found['image_size']}.json"
        atomic_files.write_json(pages.LOAD / name, found)
    pages.write("LOAD.md")


def measured() -> dict[str, Any]:
    """Measure what the flags name; returns the content of its file."""
    load = os.getloadavg()[0]
    sizes = {"clients": _numbers("clients"), "batches": _numbers("batches")}
    signatures, seconds = _SIGNATURES.value, _SECONDS.value
    if _QUICK.value:
        sizes, seconds = {"clients": [1, 2, 4], "batches": [2]}, 0.05
        signatures = signatures[-1:]
    with tempfile.TemporaryDirectory() as place:
        path = str(pathlib.Path(place) / "model")
        processes.call(
            closed_loop.export,
            path=path,
            encoder=_ENCODER.value,
            image_size=_IMAGE_SIZE.value,
        )
        rows = processes.call(
            closed_loop.measure,
            shown=True,
            path=path,
            signatures=signatures,
            **sizes,
            seconds=seconds,
            threads=_THREADS.value,
            side=_IMAGE_SIZE.value,
            file_side=_FILE_SIDE.value,
        )
    packages = ("tensorflow", "keras", "numpy")
    versions = {name: metadata.version(name) for name in packages}
    some = closed_loop.pictures(8, _FILE_SIDE.value)
    lengths = [len(closed_loop.encoded(image)) for image in some]
    return {
        "encoder": _ENCODER.value,
        "image_size": _IMAGE_SIZE.value,
        "file_side": _FILE_SIDE.value,
        "file_bytes": round(np.mean(lengths)),
        **record.circumstances(_command(), versions),
        "threads": _THREADS.value,
        "load": round(load, 2),
        "rows": rows,
    }


def _command() -> str:
    return " ".join(["python -m benchmarks.load", *sys.argv[1:]])


def _numbers(flag: str) -> list[int]:
    """Read a flag of several numbers.

    Raises:
        InputError: If one is no whole number of at least 1.
    """
    values = flags.FLAGS[flag].value
    if not values or not all(v.isdecimal() and int(v) for v in values):
        raise InputError(
            f"Expected --{flag} as whole numbers of at least 1, separated by "
            f"commas. Received: {','.join(values)!r}."
        )
    return [int(value) for value in values]


if __name__ == "__main__":
    cli.run(main)
