"""Embeddings of whole splits, as every protocol starts from them."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from and_tf.data.pipeline import clean_batches
from and_tf.data.split import Split
from and_tf.distribution.predict import shared_embeddings
from and_tf.distribution.process_group import ProcessGroup
from and_tf.search.device import on_cpu

BATCH = 512


def embed(
    model: keras.Model,
    split: Split,
    image_size: int,
    on_batch: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Embeds the clean view of every image, in order of number.

    Under a strategy the images are shared out to all its devices.

    Args:
        model: Images [B, S, S, 3] to embeddings [B, D].
        split: N images.
        image_size: S.
        on_batch: Told after each batch how many images it had, where one
            device embeds them all.

    Returns:
        float32 [N, D].
    """
    processes = ProcessGroup(model.distribute_strategy)
    if processes.alone:
        return _predict(model, split, image_size, on_batch)
    # A process without an image could not know the shape of its part.
    span = (
        processes.span(split.size)
        if split.size >= processes.size
        else (0, split.size)
    )
    batches = clean_batches(split, image_size, BATCH, *span)
    found, numbers = shared_embeddings(model, batches, processes)
    rows = np.empty((split.size, found.shape[1]), np.float32)
    rows[numbers] = found
    return rows


def _predict(
    model: keras.Model,
    split: Split,
    image_size: int,
    on_batch: Callable[[int], None] | None,
) -> np.ndarray:
    batches = clean_batches(split, image_size, BATCH)
    images = batches.map(lambda images, _: images)
    if not on_cpu():
        images = images.map(_filled_up)
    callbacks = []
    if on_batch is not None:
        callbacks.append(
            keras.callbacks.LambdaCallback(
                on_predict_batch_end=lambda batch, logs: on_batch(
                    min(BATCH, split.size - batch * BATCH)
                )
            )
        )
    rows = model.predict(images, verbose=0, callbacks=callbacks)
    return rows[: split.size]


def _filled_up(images: tf.Tensor) -> tf.Tensor:
    """A batch with black images to make up for what a last one has not.

    On an accelerator XLA compiles the encoder once for each size of batch,
    which takes longer than to embed the difference.
    """
    missing = BATCH - tf.shape(images)[0]
    return tf.pad(images, [[0, missing], [0, 0], [0, 0], [0, 0]])


def pixels(split: Split, side: int) -> np.ndarray:
    """The images themselves as features: small, centred, unit norm.

    Args:
        split: N images.
        side: Of the square that each image is averaged down to.

    Returns:
        float32 [N, side · side · 3].
    """
    features = np.empty((split.size, side * side * 3), np.float32)
    for images, numbers in clean_batches(split, side, BATCH):
        rows = images.numpy().astype(np.float32).reshape(len(images), -1)
        # An image's own mean says how bright it is, and would make all alike.
        rows -= rows.mean(axis=1, keepdims=True)
        norm = np.linalg.norm(rows, axis=1, keepdims=True)
        features[numbers.numpy()] = rows / np.maximum(norm, 1e-6)
    return features
