"""Asks TensorFlow Serving about image files.

    python -m export.client --address=localhost:8500 --images=photos \\
        --signature=classify_bytes

prints a line for each file. `http://localhost:8501` asks by REST.
"""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Sequence

from absl import flags

from and_tf.utils import bounds, cli, paths
from and_tf.utils.errors import InputError

_ADDRESS = flags.DEFINE_string(
    "address",
    "localhost:8500",
    "Of the server: host:port of gRPC, or the URL of REST.",
)
_IMAGES = paths.define("images", "", "A directory, a glob or a file of images.")
_SIGNATURE = flags.DEFINE_string(
    "signature",
    "serving_bytes",
    "What is asked: serving_bytes, neighbours_bytes or classify_bytes.",
)
_MODEL_NAME = flags.DEFINE_string(
    "model_name", "and", "By which the server knows the model."
)
_BATCH_SIZE = bounds.define_number(
    "batch_size", 32, "Files in a request.", least=1, most=bounds.BATCH
)
_TIMEOUT = bounds.define_number(
    "timeout",
    60.0,
    "How long to wait for a whole answer, in seconds.",
    above=0.0,
    most=bounds.SECONDS,
)
_OUTPUT = paths.define("output", "", "Writes the answers to this .npz too.")


def main(argv: Sequence[str]) -> None:
    """Reads the flags and asks."""
    del argv
    if not _IMAGES.value:
        raise InputError(
            "Expected --images, a directory, a glob or a file. Received none."
        )
    if not re.fullmatch(r"https?://\S+|[^/\s]+:\d+", _ADDRESS.value):
        raise InputError(
            "Expected --address as host:port for gRPC, or as a URL, "
            f"http://host:port, for REST. Received: {_ADDRESS.value!r}."
        )
    if _OUTPUT.value and os.path.lexists(_OUTPUT.value):
        raise InputError(
            f"Expected a new file for --output. Received: {_OUTPUT.value}, "
            "which exists. Remove it, or name another."
        )
    if _OUTPUT.value:
        paths.check_output("output", pathlib.Path(_OUTPUT.value))
    # What gRPC logs of a connection, the error says in a sentence.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    cli.import_tensorflow()
    from export.serving import client_lib

    names = client_lib.listed(_IMAGES.value)
    client = client_lib.connect(
        _ADDRESS.value, _MODEL_NAME.value, _TIMEOUT.value
    )
    outputs = client_lib.ask(client, _SIGNATURE.value, names, _BATCH_SIZE.value)
    if _OUTPUT.value:
        client_lib.write(pathlib.Path(_OUTPUT.value), outputs)


if __name__ == "__main__":
    # Without a file to write, nobody is left to answer once a reader has gone.
    cli.run(main, for_reader=lambda: not _OUTPUT.value)
