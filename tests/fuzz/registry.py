"""Lists the targets of the search, by the names that `--targets` takes."""

from __future__ import annotations

import importlib

from tests.fuzz.target import Maker

# Each is a module of this package with a function `make`.
TARGETS = (
    "images",
    "graph_images",
    "folders",
    "command_flags",
    "flagfiles",
    "checkpoints",
    "run_arrays",
    "image_arrays",
    "results",
    "reports",
    "sweep_files",
    "tf_configs",
    "tables",
    "rest_answers",
    "grpc_answers",
    "decode_cache",
    "torch_weights",
    "explorations",
    "readers",
)
PLANTED = "planted"  # Faulty on purpose, and only tried if it is named.


def maker(name: str) -> Maker:
    """Returns the function that makes a target.

    Args:
        name: One of `TARGETS`, or "planted:<fault>" for a target with a fault.
    """
    module, _, fault = name.partition(":")
    make = importlib.import_module(f"{__package__}.{module}").make
    return (lambda directory: make(directory, fault)) if fault else make
