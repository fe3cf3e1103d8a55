"""Image files in, a server's answers out, a line each."""

from __future__ import annotations

import glob
import io
import os
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from and_tf.data import folder, image_file
from and_tf.data.walking import utf8
from and_tf.utils import atomic_files
from and_tf.utils.errors import InputError
from and_tf.utils.escaping import for_console as _shown
from and_tf.utils.progress import Counted
from export.serving.answers_client import (
    Client,
    GrpcClient,
    RestClient,
    UndecodableError,
)
from export.serving.decoding import JPEG, PNG

_NUMBERS = 4  # Of an embedding, how many are shown.


def connect(address: str, model_name: str, timeout: float) -> Client:
    """A client for an address: REST where it is a URL, gRPC otherwise."""
    is_url = address.startswith(("http://", "https://"))
    kind = RestClient if is_url else GrpcClient
    return kind(address, model_name, timeout)


def listed(images: str) -> list[str]:
    """The image files that a directory, a glob or a name stands for.

    Raises:
        InputError: If there is none.
    """
    if os.path.isdir(images):
        names = folder.read_all(images).file_names
        return [os.path.join(images, name) for name in names]
    if os.path.isfile(images):
        return [images]
    found = sorted(glob.glob(images, recursive=True))
    found = [path for path in found if os.path.isfile(path)]
    if not found:
        raise InputError(
            "Expected a directory, a glob or a file of images. Received: "
            f"{images!r}, where there is none."
        )
    return found


def encoded(path: str) -> bytes:
    """A file as a server can decode it.

    JPEG and PNG stay as they are, other formats become PNG.

    Raises:
        InputError: If it cannot be read, or is no image.
    """
    try:
        data = pathlib.Path(path).read_bytes()
        if data.startswith((JPEG, PNG)):
            return data
        image = image_file.read_image(path)
    except Exception as error:  # Pillow answers broken files with many kinds.
        reason = getattr(error, "strerror", None) or "it is no image"
        raise InputError(
            f"Expected an image that can be read. Received: {_shown(path)}: "
            f"{reason}. Mend or remove it."
        ) from error
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def ask(
    client: Client, signature: str, paths: Sequence[str], batch_size: int
) -> dict[str, np.ndarray]:
    """Asks about files, and prints a line for each.

    Args:
        client: Of the server.
        signature: What is asked.
        paths: N files.
        batch_size: How many go in one request.

    Returns:
        The outputs by name, each [N, …], and "file_name" [N], or
        "neighbour_file_name" where the server's own outputs have that name.

    Raises:
        InputError: If files cannot be read, or the server cannot be had or
            refuses; files that it cannot decode are named.
    """
    answers = []
    width = max(len(_shown(path)) for path in paths)
    with Counted("ask", len(paths)) as progress:
        for start in range(0, len(paths), batch_size):
            batch = paths[start : start + batch_size]
            outputs = _answer(client, signature, batch)
            lines = _lines(batch, outputs, width)
            progress.clear()
            print("\n".join(lines), flush=True)
            progress.advance(len(batch))
            answers.append(outputs)
    whole = _joined(answers)
    if "file_name" in whole:
        whole["neighbour_file_name"] = whole.pop("file_name")
    return {"file_name": np.array([utf8(path) for path in paths]), **whole}


def write(path: pathlib.Path, outputs: dict[str, np.ndarray]) -> None:
    """Writes an .npz, whole or not at all.

    Raises:
        InputError: If it cannot be written.
    """
    atomic_files.write(
        path,
        lambda file: np.savez(file, **outputs),
        "Make room, or name another --output.",
    )
    print(f"wrote {path}: {', '.join(outputs)}")


def _answer(
    client: Client, signature: str, paths: Sequence[str]
) -> dict[str, np.ndarray]:
    """The server's outputs for a batch of files."""
    batch = [encoded(path) for path in paths]
    try:
        return client.predict(signature, batch)
    except UndecodableError as error:
        broken = list(_undecodable(client, signature, paths, batch))
        if not broken:  # Another client's, merged into the same batch.
            raise
        raise InputError(
            "Expected images that the server can decode. Received: "
            f"{', '.join(map(_shown, broken))}. Mend or remove "
            f"{'them' if broken[1:] else 'it'}."
        ) from error


def _undecodable(
    client: Client,
    signature: str,
    paths: Sequence[str],
    batch: Sequence[bytes],
) -> Iterator[str]:
    """Which files of a batch cannot be decoded.

    Each is asked for alone: a server may merge requests, split or pad them,
    and the positions that it named are those in what it ran.
    """
    for path, data in zip(paths, batch, strict=True):
        try:
            client.predict(signature, [data])
        except UndecodableError:
            yield path


def _joined(answers: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The outputs of all batches, one after another."""
    try:
        return {
            name: np.concatenate([answer[name] for answer in answers])
            for name in answers[0]
        }
    except (LookupError, ValueError) as error:
        raise _inconsistent(error) from error


def _lines(
    paths: Sequence[str], outputs: dict[str, np.ndarray], width: int
) -> list[str]:
    """What is printed of each file; its name takes `width` characters."""
    try:
        return [
            f"{_shown(path):<{width}}  "
            f"{_row_text({name: array[i] for name, array in outputs.items()})}"
            for i, path in enumerate(paths)
        ]
    except (LookupError, TypeError, ValueError) as error:
        raise _inconsistent(error) from error


def _inconsistent(error: Exception) -> InputError:
    return InputError(
        "Expected answers of an exported encoder, whose outputs go together. "
        f"Received others ({type(error).__name__}: {error}). Name another "
        "model with --model_name."
    )


def _row_text(row: dict[str, np.ndarray]) -> str:
    if "probabilities" in row:
        share = row["probabilities"][row["cluster"]]
        return f"{_shown(str(row['name']))}  {share:.3f}"
    if "class_name" in row:
        share = row["score"][row["label"]]
        return f"{_shown(str(row['class_name']))}  {share:.3f}"
    if "similarity" in row:
        names = row.get("file_name", row["index"])
        return "  ".join(
            f"{_shown(str(name))} {similarity:.3f}"
            for name, similarity in zip(names, row["similarity"], strict=True)
        )
    if "embedding" in row:
        numbers = row["embedding"][:_NUMBERS]
        return " ".join(f"{number:+.4f}" for number in numbers) + " …"
    return "  ".join(f"{name} {value.shape}" for name, value in row.items())
