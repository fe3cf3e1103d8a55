"""Let neighbours pull otherwise than the paper's loss does."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from and_tf.method import loss
from and_tf.method.model import AND

# The share of Z that is left, at least, where neighbours are taken out of it.
LEAST_LEFT = 1e-6


class OtherPullAND(AND):
    """Anchor Neighbourhood Discovery with another loss of the anchors.

    With l_ij = x_i · x̃_j / τ, Z_i = Σ_n exp(l_in) and k neighbours j of an
    anchor i, the loss of an anchor is

        log Z_i − ½ l_ii − ½ mean_j l_ij       where `halves` is 1,
        log(Z_i − Σ_j exp(l_ij)) − l_ii        where `spared` is 1,

    and that of equation 7 where both are 0. So neighbours have half of the
    pull, or are neither pulled nor pushed away. Samples that are no anchors
    have log Z_i − l_ii in all three.

    Attributes:
        halves, spared: float32 [], assigned before training.
    """

    halves: keras.Variable
    spared: keras.Variable

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("halves", "spared"):
            weight = self.add_weight(
                name=name, shape=(), initializer="zeros", trainable=False
            )
            setattr(self, name, weight)

    def terms(
        self, embeddings: tf.Tensor, sample_ids: tf.Tensor, *, training: bool
    ) -> tuple[tuple[tf.Tensor, ...], tuple[tf.Tensor, ...]]:
        """Compute the loss of each sample; see `AND.terms`."""
        (losses,), heard = super().terms(
            embeddings, sample_ids, training=training
        )
        if training:
            embeddings = tf.cast(embeddings, tf.float32)
            losses += self._more(losses, embeddings, sample_ids)
        return (losses,), heard

    def _more(
        self, losses: tf.Tensor, embeddings: tf.Tensor, sample_ids: tf.Tensor
    ) -> tf.Tensor:
        """Compute what is added to the losses of equation 7, float32 [b]."""
        members = loss.members_of(sample_ids, self.neighbours.value)
        logits = loss.logits_of(
            embeddings, self.bank.rows.value, members, self.temperature
        )  # [b, 1 + k]
        own, theirs = logits[:, 0], logits[:, 1:]
        mass = tf.reduce_logsumexp(logits, axis=1)
        # Of an anchor, equation 7 is log Z − mass.
        log_z = losses + mass
        share = tf.exp(tf.reduce_logsumexp(theirs, axis=1) - log_z)
        left = tf.math.log(tf.maximum(1.0 - share, LEAST_LEFT))
        halves = mass - (own + tf.reduce_mean(theirs, axis=1)) / 2
        more = self.halves.value * halves
        more += self.spared.value * (left + mass - own)
        anchor = tf.gather(self.is_anchor.value, members[:, 0])
        return tf.where(anchor, more, 0.0)
