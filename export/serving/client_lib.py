"""Sends image files to a server, and prints a line for each answer."""

from __future__ import annotations

import glob
import io
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

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

_NUMBERS = 4  # The first numbers of an embedding, which are printed.


def connect(address: str, model_name: str, timeout: float) -> Client:
    """Makes a client for a server.

    Args:
        address: A URL, such as http://localhost:8501, for REST; or host:port
            for gRPC.
        model_name: Name by which the server knows the model.
        timeout: Longest time to wait for a whole answer, in seconds.
    """
    is_url = address.startswith(("http://", "https://"))
    kind = RestClient if is_url else GrpcClient
    return kind(address, model_name, timeout)


def listed(images: str) -> list[str]:
    """Lists the image files that a directory, a glob or a path stands for.

    Args:
        images: A directory, a glob pattern or the path of a file.

    Raises:
        InputError: If there is no such file.
    """
    if os.path.isdir(images):
        names = folder.read_all(images).file_names
        assert names is not None  # As they are files.
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
    """Reads an image file in a format that the server can decode.

    JPEG and PNG files are returned unchanged; other formats become PNG.

    Args:
        path: The image file.

    Raises:
        InputError: If the file cannot be read or is not an image.
    """
    try:
        data = pathlib.Path(path).read_bytes()
        if data.startswith((JPEG, PNG)):
            return data
        image = image_file.read_image(path)
    except Exception as error:  # Pillow raises many types for broken files.
        reason = getattr(error, "strerror", None) or "it is no image"
        raise InputError(
            f"Expected an image that can be read. Received: {_shown(path)}: "
            f"{reason}. Repair or remove it."
        ) from error
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def ask(
    client: Client, signature: str, paths: Sequence[str], batch_size: int
) -> dict[str, np.ndarray]:
    """Sends files to a server, and prints a line for each.

    Args:
        client: A client of the server.
        signature: Name of the model's signature.
        paths: The paths of N image files.
        batch_size: The number of files in one request.

    Returns:
        The outputs by name, each [N, …], and "file_name", text [N]. An output
        of the server that is called "file_name" itself is renamed to
        "neighbour_file_name".

    Raises:
        InputError: If files cannot be read, or the server cannot be reached or
            refuses the request. Files that it cannot decode are named.
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


def write(path: pathlib.Path, outputs: dict[str, Any]) -> None:
    """Writes the outputs to an .npz file, completely or not at all.

    Args:
        path: The file to write.
        outputs: NumPy arrays by name.

    Raises:
        InputError: If the file cannot be written.
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
    """Returns the server's outputs for a batch of files."""
    batch = [encoded(path) for path in paths]
    try:
        return client.predict(signature, batch)
    except UndecodableError as error:
        broken = list(_undecodable(client, signature, paths, batch))
        if not broken:  # The broken file came from another client's request.
            raise
        raise InputError(
            "Expected images that the server can decode. Received: "
            f"{', '.join(map(_shown, broken))}. Repair or remove "
            f"{'them' if broken[1:] else 'it'}."
        ) from error


def _undecodable(
    client: Client,
    signature: str,
    paths: Sequence[str],
    batch: Sequence[bytes],
) -> Iterator[str]:
    """Yields the files of a batch that the server cannot decode.

    Each file is sent alone. The positions in the server's message are of no
    use, because it may merge, split or pad requests before it runs them.
    """
    for path, data in zip(paths, batch, strict=True):
        try:
            client.predict(signature, [data])
        except UndecodableError:
            yield path


def _joined(answers: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Concatenates the outputs of all batches."""
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
    """Makes the line of each file; its name is padded to `width` characters."""
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
        "Expected the answers of an exported encoder, with one row for each "
        f"image. Received others ({type(error).__name__}: {error}). Name "
        "another model with --model_name."
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
