"""Defines the self-labelling model, which learns from its predictions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from and_tf.distribution import collectives
from and_tf.scan.losses import self_label_loss
from and_tf.scan.scan_model import SCAN


@keras.saving.register_keras_serializable(package="and_tf")
class SelfLabeller(SCAN):
    """A model of one clustering head and its encoder, for self-labelling.

    Fit it on a `tf.data` set of (weak, strong) views of the same images. The
    side of each is either S, that of images, or V, that of views.

    As in the authors' code, both views pass the encoder in training mode, each
    normalised by its own statistics, and no gradient flows into the weak view.
    A step without a confident sample changes neither the weights nor the
    optimiser nor the average. It does update the statistics of batch norms.

    Args:
        scan: The trained clustering model, whose encoder is shared.
        head: The index of the head to train further.
        threshold: The probability above which a prediction is confident.
        balanced: Whether to weight samples by inverse cluster frequency.
        decay: The decay of a moving average of the weights, which is then
            evaluated in their place. 0 keeps no average.
        freeze: Whether the encoder stays unchanged, independently of the
            clustering step.

    Attributes:
        average: The average of each variable of the encoder and the head;
            empty if `decay` is 0.
    """

    def __init__(
        self,
        scan: SCAN,
        head: int,
        *,
        threshold: float,
        balanced: bool = True,
        decay: float = 0.0,
        freeze: bool = False,
    ) -> None:
        scan.encoder.trainable = True
        super().__init__(
            scan.encoder,
            scan.clusters,
            entropy_weight=scan.entropy_weight,
            features=scan.features,
            freeze=freeze,
            view_size=scan.view_trunk.input_shape[1],
        )
        start = head * scan.clusters
        for own, all_heads in zip(
            self.head.variables, scan.head.variables, strict=True
        ):
            own.assign(all_heads[..., start : start + scan.clusters])
        self.threshold, self.balanced, self.decay = threshold, balanced, decay
        self.average = self._copies() if decay else []
        self._loss = collectives.MeanOfAll(name="loss")
        self._confident = collectives.MeanOfAll(name="confident")
        self._skipped = collectives.MeanOfAll(name="skipped")

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss without skipped steps, and the confident and skipped shares.

        The share of confident samples is over all samples, the share of
        skipped steps over all steps.
        """
        return [self._loss, self._confident, self._skipped]

    @property
    def learnt(self) -> list[keras.Variable]:
        """The variables that are averaged."""
        return [*self.encoder.variables, *self.head.variables]

    @property
    def method_variables(self) -> list[keras.Variable]:
        """The variables that a checkpoint holds beside the encoder."""
        return [*self.head.variables, *self.average]

    def train_step(
        self, data: tuple[tf.Tensor, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Trains one step on (weak views, strong views)."""
        weak, strong = data
        answers = self(weak, training=True)  # [b, C]
        with tf.GradientTape() as tape:
            found = self_label_loss(
                answers,
                self(strong, training=True),
                self.threshold,
                self.balanced,
            )
            scaled = self.optimizer.scale_loss(found.share)

        gradients = tape.gradient(scaled, self.trainable_variables)
        learns = found.confident > 0
        collectives.apply_if(
            learns, self.optimizer, gradients, self.trainable_variables
        )

        if not self.freeze:
            collectives.sync_batch_stats(self.encoder.non_trainable_variables)
        learns = tf.cast(learns, tf.float32)
        self._follow(learns)
        self._loss.update_state(collectives.all_reduce_sum(found.share), learns)
        self._confident.update_state(found.confident)
        self._skipped.update_state(1 - learns)
        return self.get_metrics_result()

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the model and of a `SCAN` of its head."""
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "balanced": self.balanced,
            "decay": self.decay,
        }

    @classmethod
    def _around(
        cls,
        encoder: keras.Model,
        *,
        threshold: float = 0.99,
        balanced: bool = False,
        decay: float = 0.0,
        freeze: bool = False,
        **options: Any,
    ) -> SelfLabeller:
        return cls(
            SCAN(encoder, **options),
            0,
            threshold=threshold,
            balanced=balanced,
            decay=decay,
            freeze=freeze,
        )

    def get_metrics_result(self) -> dict[str, tf.Tensor]:
        """Returns means over the epoch so far."""
        return {metric.name: metric.result() for metric in self.metrics}

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Uses the average as the weights within a context.

        It changes nothing if there is no average.
        """
        before = [np.asarray(v) for v in self.learnt] if self.average else []
        self.take_average()
        try:
            yield
        finally:
            for variable, value in zip(self.learnt, before, strict=False):
                variable.assign(value)

    def take_average(self) -> None:
        """Replaces the weights by their average, if there is one."""
        for variable, value in zip(self.learnt, self.average, strict=False):
            variable.assign(value)

    def _copies(self) -> list[keras.Variable]:
        copies = [
            # All replicas hold the same values, so reading one is enough.
            self.add_weight(
                shape=variable.shape,
                dtype=variable.dtype,
                trainable=False,
                aggregation="only_first_replica",
                name=f"average_{i}",
            )
            for i, variable in enumerate(self.learnt)
        ]
        for copy, variable in zip(copies, self.learnt, strict=True):
            copy.assign(variable)
        return copies

    def _follow(self, learns: tf.Tensor) -> None:
        """Moves the average, unless the step was skipped."""
        share = learns * (1.0 - self.decay)
        for copy, variable in zip(self.average, self.learnt, strict=False):
            copy.assign_add(share * (variable.value - copy.value))
