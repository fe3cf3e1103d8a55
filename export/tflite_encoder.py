"""A TFLite encoder as a function of images."""

from __future__ import annotations

import pathlib

import numpy as np
from ai_edge_litert.interpreter import Interpreter


class TFLiteEncoder:
    """Runs a .tflite encoder on batches of any size.

    Args:
        path: The .tflite file.
        threads: Of the interpreter; None leaves it to the runtime.

    Attributes:
        image_size: S.
        embedding_dim: D.
    """

    def __init__(
        self, path: str | pathlib.Path, threads: int | None = None
    ) -> None:
        self._interpreter = Interpreter(str(path), num_threads=threads)
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        self.image_size = int(self._input["shape"][1])
        self.embedding_dim = int(self._output["shape"][-1])
        self._batch = 0

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Embeds uint8 [B, S, S, 3] to float32 [B, D]."""
        if len(images) != self._batch:
            self._interpreter.resize_tensor_input(
                self._input["index"], images.shape
            )
            self._interpreter.allocate_tensors()
            self._batch = len(images)
        self._interpreter.set_tensor(
            self._input["index"], images.astype(self._input["dtype"])
        )
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output["index"])
