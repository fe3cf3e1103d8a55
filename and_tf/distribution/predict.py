"""Embeddings of many images, by all devices of a strategy."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import keras
import numpy as np
import tensorflow as tf

from and_tf.distribution.keras_multi_worker import MultiWorkerModel, Predictor
from and_tf.distribution.process_group import Team, part


def shared_embeddings(
    model: keras.Model,
    batches: Iterable[tuple[tf.Tensor, tf.Tensor]],
    team: Team,
) -> tuple[np.ndarray, np.ndarray]:
    """Embeds images, a part on each process and each of its devices.

    Args:
        model: Images [b, S, S, 3] to embeddings [b, D].
        batches: (images, numbers) of this process' part, of at least one
            image.
        team: Of the model's strategy.

    Returns:
        (float32 [n, D], int64 [n]): those of all processes' parts.
    """
    embed = model.predict_on_batch if team.alone else _on_replicas(model, team)
    parts = [(embed(images), np.asarray(n)) for images, n in batches]
    rows, numbers = (np.concatenate(a) for a in zip(*parts, strict=True))
    return team.gather(rows), team.gather(numbers.astype(np.int64))


def _on_replicas(
    model: keras.Model, team: Team
) -> Callable[[tf.Tensor], np.ndarray]:
    """A function that spreads a batch over this process' devices."""
    count = len(team.devices)
    if team.several and not isinstance(model, MultiWorkerModel):
        with team.strategy.scope():
            model = Predictor(model)

    def embed(images: tf.Tensor) -> np.ndarray:
        def mine(context: tf.distribute.ValueContext) -> tf.Tensor:
            local = context.replica_id_in_sync_group % count
            start, stop = part(len(images), local, count)
            # Not every layer takes no images: rather some twice.
            return images[start:stop] if len(images) >= count else images

        found = model.predict_on_batch(
            team.strategy.experimental_distribute_values_from_function(mine)
        )
        return found[: len(images)]

    return embed
