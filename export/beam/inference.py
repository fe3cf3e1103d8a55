"""Puts images through an exported model by Beam's RunInference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from apache_beam.ml.inference.base import ModelHandler

from and_tf.utils.errors import InputError
from export.embeddings import encoders


class ExportedModel(ModelHandler):
    """A handler for models of export.saved_model and export.tflite.

    RunInference loads the model once in each process of a worker, and Beam
    makes the batches. A batch with fewer images is filled up, so that the row
    of an image does not depend on how many others are beside it.

    Args:
        path: The model, under the same path on every worker.
        fingerprint: SHA-256 of the model that the command has checked.
        batch_size: The number of images in a batch.
        classifies: Whether the model's clusters or classes are wanted, and not
            its embeddings.
    """

    def __init__(
        self,
        path: str,
        fingerprint: str,
        batch_size: int,
        classifies: bool = False,
    ) -> None:
        super().__init__()
        self._path = path
        self._fingerprint = fingerprint
        self._batch_size = batch_size
        self._classifies = classifies

    def load_model(self) -> Any:
        """Loads the model.

        Raises:
            InputError: If it is missing, damaged, or another one.
        """
        load = encoders.load_classifier if self._classifies else encoders.load
        model = load(self._path)
        if model.fingerprint != self._fingerprint:
            raise InputError(
                f"Expected one model under {self._path} on all machines. "
                f"Received: {model.fingerprint[:12]}… on a worker, where the "
                f"command has {self._fingerprint[:12]}…. Copy it there again."
            )
        return model

    def run_inference(
        self,
        batch: Sequence[np.ndarray],
        model: Any,
        inference_args: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """Computes a row for each image, uint8 [S, S, C]."""
        images = np.stack(batch)
        missing = self._batch_size - len(images)
        filled = np.pad(images, [(0, missing), (0, 0), (0, 0), (0, 0)])
        return list(model(filled)[: len(images)])

    def batch_elements_kwargs(self) -> Mapping[str, Any]:
        """Returns the size of batches, all the same but the last."""
        size = self._batch_size
        return {"min_batch_size": size, "max_batch_size": size}
