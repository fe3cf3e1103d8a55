"""Runs an encoder in a .tflite file by LiteRT."""

from __future__ import annotations

import os
import pathlib

import numpy as np
from ai_edge_litert.interpreter import Interpreter, SignatureRunner

from and_tf.utils.errors import InputError
from and_tf.utils.progress import standard_error_aside
from export.tensor_names import INPUT, OUTPUT, SIGNATURE

_MAGIC = b"TFL3"  # Bytes 4 to 7 of every .tflite file.


class TFLiteEncoder:
    """An encoder that embeds images as the original Keras encoder does.

    It needs no TensorFlow. Use one encoder per thread.

    Args:
        path: The .tflite file.
        threads: The number of threads to compute with; None takes one per
            core.

    Attributes:
        image_size: S, the side of the images, in pixels.
        channels: C, the number of their channels.
        dtype: Their type: uint8, or float32 for values that the file maps to
            levels itself.
        embedding_dim: D, the length of an embedding.

    Raises:
        InputError: If the file cannot be read or does not hold an encoder.
            Outputs beside the embedding are allowed.
    """

    def __init__(self, path: pathlib.Path, threads: int | None = None) -> None:
        _check_file(path)
        with standard_error_aside():
            self._interpreter = _open(path, threads or os.cpu_count())
            self._runner = _runner(self._interpreter, path)
            images, embedding = _ends(self._runner, path)
        self.image_size = int(images["shape"][1])
        self.channels = int(images["shape"][3])
        self.dtype = np.dtype(images["dtype"])
        self.embedding_dim = int(embedding["shape"][1])

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Embeds a batch of any size; a change of the size costs little.

        Args:
            images: [B, S, S, C] of `dtype`, where B may be 0.

        Returns:
            The embeddings, float32 [B, D], of unit norm.

        Raises:
            InputError: If the images are of another type or shape.
        """
        images = np.asarray(images)
        shape = (self.image_size, self.image_size, self.channels)
        if images.dtype != self.dtype or images.shape[1:] != shape:
            raise InputError(
                f"Expected images {self.dtype} "
                f"[B, {', '.join(map(str, shape))}]. Received: "
                f"{images.dtype} {list(images.shape)}."
            )
        if not len(images):
            return np.zeros((0, self.embedding_dim), np.float32)
        return self.outputs(images)[OUTPUT]

    def outputs(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Computes all outputs of the file.

        Args:
            images: [B, S, S, C] of `dtype`, where B > 0.

        Returns:
            The outputs by name, each [B, …].
        """
        return self._runner(**{INPUT: images})


def _check_file(path: pathlib.Path) -> None:
    try:
        with open(path, "rb") as file:
            magic = file.read(8)[4:]
    except OSError as error:
        raise InputError(
            f"Expected a .tflite file. Received: {path}: {error.strerror}."
        ) from error
    if magic != _MAGIC:
        raise InputError(
            f"Expected a .tflite file. Received: {path}, which is none."
        )


def _open(path: pathlib.Path, threads: int | None) -> Interpreter:
    try:
        interpreter = Interpreter(str(path), num_threads=threads)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise InputError(
            "Expected a whole .tflite file of operations that are built in. "
            f"Received: {path}: {str(error).splitlines()[0]}"
        ) from error
    return interpreter


def _runner(interpreter: Interpreter, path: pathlib.Path) -> SignatureRunner:
    """Returns the runner of an encoder's signature."""
    signatures = interpreter.get_signature_list()
    found = signatures.get(SIGNATURE, {"inputs": [], "outputs": []})
    if found["inputs"] != [INPUT] or OUTPUT not in found["outputs"]:
        described = ", ".join(
            f"{name} from {', '.join(ends['inputs'])} to "
            f"{', '.join(ends['outputs'])}"
            for name, ends in signatures.items()
        )
        raise InputError(
            f"Expected a .tflite file with the signature {SIGNATURE} from "
            f"{INPUT} to {OUTPUT}, as export.tflite writes it. Received: "
            f"{path} with {described or 'none'}."
        )
    return interpreter.get_signature_runner(SIGNATURE)


def _ends(runner: SignatureRunner, path: pathlib.Path) -> tuple[dict, dict]:
    """Returns TFLite's details of the images and of the embedding."""
    images = runner.get_input_details()[INPUT]
    embedding = runner.get_output_details()[OUTPUT]
    shape = list(images["shape"])
    square = len(shape) == 4 and shape[1] == shape[2] and shape[3] > 0
    if (
        not square
        or images["dtype"] not in (np.uint8, np.float32)
        or embedding["dtype"] != np.float32
        or len(embedding["shape"]) != 2
    ):
        raise InputError(
            "Expected a .tflite file from images uint8 [B, S, S, C] to "
            f"embeddings float32 [B, D]. Received: {path}, from "
            f"{_described(images)} to {_described(embedding)}."
        )
    return images, embedding


def _described(tensor: dict) -> str:
    shape = ["B", *map(str, tensor["shape"][1:])]
    return f"{np.dtype(tensor['dtype']).name} [{', '.join(shape)}]"
