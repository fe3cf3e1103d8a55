"""Embeds many images on all devices of a strategy."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import keras
import numpy as np
import tensorflow as tf

from and_tf.distribution.keras_multi_worker import MultiWorkerModel, Predictor
from and_tf.distribution.process_group import ProcessGroup, part


def shared_embeddings(
    model: keras.Model,
    batches: Iterable[tuple[tf.Tensor, tf.Tensor]],
    processes: ProcessGroup,
) -> tuple[np.ndarray, np.ndarray]:
    """Embeds images, a part of them on each device of each process.

    Args:
        model: The encoder, from images [b, S, S, 3] to embeddings [b, D].
        batches: (images, sample_ids) of this process' part, which has at least
            one image.
        processes: The processes of the model's strategy.

    Returns:
        The embeddings, float32 [n, D], and the sample_ids, int64 [n], of all
        processes' parts.
    """
    embed = (
        model.predict_on_batch
        if processes.alone
        else _on_replicas(model, processes)
    )
    parts = [(embed(images), np.asarray(n)) for images, n in batches]
    rows, sample_ids = (np.concatenate(a) for a in zip(*parts, strict=True))
    return processes.gather(rows), processes.gather(sample_ids.astype(np.int64))


def _on_replicas(
    model: keras.Model, processes: ProcessGroup
) -> Callable[[tf.Tensor], np.ndarray]:
    """Makes a function that embeds a batch on this process' devices."""
    count = len(processes.devices)
    if processes.several and not isinstance(model, MultiWorkerModel):
        with processes.strategy.scope():
            model = Predictor(model)

    def embed(images: tf.Tensor) -> np.ndarray:
        def mine(context: tf.distribute.ValueContext) -> tf.Tensor:
            local = context.replica_id_in_sync_group % count
            start, stop = part(len(images), local, count)
            # Some layers refuse an empty batch, so images that are fewer than
            # the devices go to all of them.
            return images[start:stop] if len(images) >= count else images

        found = model.predict_on_batch(
            processes.strategy.experimental_distribute_values_from_function(
                mine
            )
        )
        return found[: len(images)]

    return embed
