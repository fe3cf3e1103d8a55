"""Embeds whole splits, the first step of every protocol."""

from __future__ import annotations

import functools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from and_tf.data.pipeline import clean_batches, pass_batch
from and_tf.data.split import Split
from and_tf.distribution.predict import shared_embeddings
from and_tf.distribution.process_group import ProcessGroup
from and_tf.search.device import on_cpu


def embed(
    model: keras.Model,
    split: Split,
    image_size: int,
    on_batch: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Embeds the clean view of every image, in the order of the sample ids.

    Under a distribution strategy, all devices share the images.

    Args:
        model: A model from images [B, S, S, 3] to embeddings [B, D].
        split: The N images.
        image_size: The side S of the views in pixels.
        on_batch: A function that is called after each batch with the number
            of its images. It is called only if there is a single device.

    Returns:
        float32 [N, D], the embeddings.
    """
    processes = ProcessGroup(model.distribute_strategy)
    if processes.alone:
        return _predict(model, split, image_size, on_batch)
    # A process without images would not know the shape of its part, so each
    # process embeds all images if there are fewer images than processes.
    span = (
        processes.span(split.size)
        if split.size >= processes.size
        else (0, split.size)
    )
    batches = clean_batches(split, image_size, pass_batch(image_size), *span)
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
    size = pass_batch(image_size)
    batches = clean_batches(split, image_size, size)
    images = batches.map(lambda images, _: images)
    if not on_cpu():
        images = images.map(functools.partial(_filled_up, size=size))
    callbacks = []
    if on_batch is not None:
        callbacks.append(
            keras.callbacks.LambdaCallback(
                on_predict_batch_end=lambda batch, logs: on_batch(
                    min(size, split.size - batch * size)
                )
            )
        )
    rows = model.predict(images, verbose=0, callbacks=callbacks)
    return rows[: split.size]


def _filled_up(images: tf.Tensor, size: int) -> tf.Tensor:
    """Pads a batch with black images to `size` images.

    On an accelerator, XLA compiles the encoder once for each batch size,
    which takes longer than embedding the padding.
    """
    missing = size - tf.shape(images)[0]
    return tf.pad(images, [[0, missing], [0, 0], [0, 0], [0, 0]])


def pixels(split: Split, side: int) -> np.ndarray:
    """Returns shrunk, centred images of unit norm as features.

    Args:
        split: The N images.
        side: The side, in pixels, of the square that each image is averaged
            down to.

    Returns:
        float32 [N, side · side · C].
    """
    features = np.empty((split.size, side * side * split.channels), np.float32)
    for images, numbers in clean_batches(split, side, pass_batch(side)):
        rows = images.numpy().astype(np.float32).reshape(len(images), -1)
        # Subtract each image's mean brightness, which would make all images
        # similar to each other.
        rows -= rows.mean(axis=1, keepdims=True)
        norm = np.linalg.norm(rows, axis=1, keepdims=True)
        features[numbers.numpy()] = rows / np.maximum(norm, 1e-6)
    return features
