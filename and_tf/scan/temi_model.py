"""Defines TEMI's classifier: SCAN's model with another loss."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from and_tf.distribution import collectives
from and_tf.scan.losses import HeadLoss
from and_tf.scan.scan_model import SCAN
from and_tf.scan.temi_loss import temi_loss


@keras.saving.register_keras_serializable(package="and_tf")
class TEMI(SCAN):
    """A model of clustering heads on an encoder, trained by TEMI's loss.

    Args:
        encoder: A trained encoder from `encoders.build`.
        clusters: The number of clusters C.
        beta: The exponent β of the loss, see `temi_loss`.
        **options: The other arguments of `SCAN`.
    """

    def __init__(
        self,
        encoder: keras.Model,
        clusters: int,
        *,
        beta: float = 0.6,
        **options: Any,
    ) -> None:
        super().__init__(encoder, clusters, **options)
        self.beta = beta
        self._loss = collectives.MeanOfAll(name="loss")

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss, and the two parts that SCAN's loss would have."""
        return [self._loss, *super().metrics]

    def losses_of(self, anchors: tf.Tensor, neighbours: tf.Tensor) -> HeadLoss:
        """Computes the losses of the heads from logits, [b, H, C] each."""
        return temi_loss(anchors, neighbours, self.beta)

    def observe(self, losses: HeadLoss) -> None:
        """Updates the metrics with the losses of a step."""
        super().observe(losses)
        whole = collectives.all_reduce_sum(losses.share)
        self._loss.update_state(tf.reduce_mean(whole))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments and the dtype policy."""
        return {**super().get_config(), "beta": self.beta}

    def get_metrics_result(self) -> dict[str, tf.Tensor]:
        """Returns means over the epoch so far and over the heads."""
        return {metric.name: metric.result() for metric in self.metrics}
