"""Compares exported encoders with the original, on the run's data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from and_tf.data.pipeline import clean_batches, pass_batch
from and_tf.data.split import ImageData, Split
from and_tf.evaluation.run_knn import RunKnn
from and_tf.utils.progress import Counted

Encoder = Callable[[np.ndarray], np.ndarray]  # uint8 [B, S, S, 3] to [B, D].

_ORIGINAL = "the original"


def measure(
    original: keras.Model,
    exported: Mapping[str, Encoder],
    data: ImageData,
    *,
    image_size: int,
    neighbours: int = 200,
    temperature: float = 0.1,
) -> dict[str, dict[str, Any]]:
    """Embeds a data set with all encoders and compares the embeddings.

    Args:
        original: The encoder that the others were made from.
        exported: The exported encoders by name.
        data: The data set. The queries are its test split; without one, each
            training image is compared with all others.
        image_size: The side S of the images, in pixels.
        neighbours: The number of neighbours K that vote.
        temperature: The temperature τ of the votes.

    Returns:
        For each name: the kNN top-1 of that encoder and of the original, each
        with its own gallery; the mean and the minimum of the cosines between
        the two embeddings of an image, over all images of both splits; and
        the protocol. Without labels the kNN figures are None.
    """
    encoders = {_ORIGINAL: original.predict_on_batch, **exported}
    knn = RunKnn(data, image_size, neighbours, temperature)
    gallery = _embed(encoders, data.train, image_size)
    queries = gallery
    if data.test is not None:
        queries = _embed(encoders, data.test, image_size)
    tops = dict.fromkeys(encoders)
    if knn.possible:
        for name in encoders:
            tops[name] = knn.classify(queries[name], gallery[name]).top1

    num_queries = (data.test or data.train).size
    protocol = knn.protocol
    if protocol is not None:
        protocol["gallery"] = protocol.pop("gallery_last")
        del protocol["gallery_best"]
    sides = [gallery] if data.test is None else [gallery, queries]
    return {
        name: {
            "knn_top1": tops[name],
            "original_knn_top1": tops[_ORIGINAL],
            "knn_protocol": protocol,
            **_cosines(name, sides),
            "query_images": num_queries,
            "gallery_images": data.train.size,
        }
        for name in exported
    }


def _embed(
    encoders: Mapping[str, Encoder], split: Split, image_size: int
) -> dict[str, np.ndarray]:
    """Computes each encoder's embeddings of a split, float32 [N, D]."""
    batches: dict[str, list[np.ndarray]] = {name: [] for name in encoders}
    # The batches of training's evaluation give the same figures as there.
    size = pass_batch(image_size)
    images = clean_batches(split, image_size, size).as_numpy_iterator()
    with Counted(f"embed {split.name}", split.size) as progress:
        for batch, _ in images:
            for name, encoder in encoders.items():
                batches[name].append(encoder(batch))
            progress.advance(len(batch))
    return {name: np.concatenate(parts) for name, parts in batches.items()}


def _cosines(name: str, sides: list[dict[str, np.ndarray]]) -> dict[str, float]:
    """Computes the mean and the minimum cosine over all rows of all splits."""
    cosines = np.concatenate(
        [
            np.einsum("nd,nd->n", side[name], side[_ORIGINAL], dtype=np.float64)
            for side in sides
        ]
    )
    return {
        "mean_cosine": float(cosines.mean()),
        "minimum_cosine": float(cosines.min()),
    }
