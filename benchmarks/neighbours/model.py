"""Give the neighbours half of the pull, where the paper's loss weighs by p."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from and_tf.method import loss
from and_tf.method.model import AND


class HalvedAND(AND):
    """Anchor Neighbourhood Discovery with another loss of the anchors.

    Where `halves` is 1, an anchor's loss is

        −½ log p_ii − ½ mean_j log p_ij

    over its neighbours j, and where it is 0 that of equation 7. Samples that
    are no anchors have −log p_ii in both.

    Attributes:
        halves: float32 [], assigned before training.
    """

    halves: keras.Variable

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.halves = self.add_weight(
            name="halves", shape=(), initializer="zeros", trainable=False
        )

    def terms(
        self, embeddings: tf.Tensor, sample_ids: tf.Tensor, *, training: bool
    ) -> tuple[tuple[tf.Tensor, ...], tuple[tf.Tensor, ...]]:
        """Compute the loss of each sample; see `AND.terms`."""
        (losses,), heard = super().terms(
            embeddings, sample_ids, training=training
        )
        if training:
            more = self._more(tf.cast(embeddings, tf.float32), sample_ids)
            losses += self.halves.value * more
        return (losses,), heard

    def _more(self, embeddings: tf.Tensor, sample_ids: tf.Tensor) -> tf.Tensor:
        """Compute what halves change in the loss of each sample, [b]."""
        neighbours = self.neighbours.value
        members = loss.members_of(sample_ids, neighbours)
        logits = loss.logits_of(
            embeddings, self.bank.rows.value, members, self.temperature
        )  # [b, 1 + k]
        counted = loss.only_anchors_neighbours(
            logits, members[:, 0], self.is_anchor.value
        )
        mass = tf.reduce_logsumexp(counted, axis=1)
        halves = (logits[:, 0] + tf.reduce_mean(logits[:, 1:], axis=1)) / 2
        anchor = tf.gather(self.is_anchor.value, members[:, 0])
        return tf.where(anchor, mass - halves, 0.0)
