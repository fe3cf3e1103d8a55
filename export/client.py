"""Asks TensorFlow Serving about image files.

Examples:

    The embeddings of a folder of photos, by gRPC:
        python -m export.client --images=photos

    Their classes, from another machine's server:
        python -m export.client --address=server:8500 --images=photos \\
            --signature=classify_bytes

    By REST, with the answers in a file:
        python -m export.client --address=http://localhost:8501 \\
            --images='photos/*.jpg' --output=answers.npz

It prints a line for each file. The server has a model that export.saved_model
wrote.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re

from and_tf.utils import bounds, cli, paths
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import FlagConfig, Group, option


@dataclasses.dataclass(frozen=True)
class ClientConfig(FlagConfig):
    """Flags that name the server and the images to ask it about."""

    address: str = option(
        Group.SERVER,
        "localhost:8500",
        "Address of the server: host:port to ask by gRPC, or a URL, such as "
        "http://localhost:8501, to ask by REST.",
    )
    images: str = option(
        Group.DATA,
        "",
        "Images to ask about: a directory, an image file, or a quoted "
        "pattern such as 'photos/*.jpg'.",
        required="a directory, a glob or a file",
        path=True,
    )
    signature: str = option(
        Group.SERVER,
        "serving_bytes",
        "What to ask the model for: serving_bytes, embeddings; "
        "neighbours_bytes, the most similar training images; or "
        "classify_bytes, classes or clusters.",
    )
    model_name: str = option(
        Group.SERVER, "and", "Name by which the server knows the model."
    )
    batch_size: int = option(
        Group.SERVER,
        32,
        "Number of files in a request. A server may limit it.",
        unit="images",
        least=1,
        most=bounds.BATCH,
    )
    timeout: float = option(
        Group.SERVER,
        60.0,
        "Longest time, in seconds, to wait for a whole answer.",
        unit="seconds",
        above=0.0,
        most=bounds.SECONDS,
    )
    output: str = option(
        Group.OUTPUT,
        "",
        "New .npz file for the answers, which are printed too. If empty, "
        "they are printed only.",
        path=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not re.fullmatch(r"https?://\S+|[^/\s]+:\d+", self.address):
            raise InputError(
                "Expected --address as host:port for gRPC, or as a URL, "
                f"http://host:port, for REST. Received: {self.address!r}."
            )


def main(config: ClientConfig) -> None:
    """Sends the images to the server and prints its answers."""
    if config.output:
        if os.path.lexists(config.output):
            raise InputError(
                f"Expected a new file for --output. Received: {config.output}, "
                "which exists. Remove it, or name another."
            )
        paths.check_output("output", pathlib.Path(config.output))
    # gRPC's own lines about a connection would only repeat our error message.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    cli.import_tensorflow()
    from export.serving import client_lib

    names = client_lib.listed(config.images)
    client = client_lib.connect(
        config.address, config.model_name, config.timeout
    )
    outputs = client_lib.ask(client, config.signature, names, config.batch_size)
    if config.output:
        client_lib.write(pathlib.Path(config.output), outputs)


if __name__ == "__main__":
    # Without --output, the command ends when the reader of its pipe closes it.
    cli.run(main, ClientConfig, for_reader=lambda config: not config.output)
