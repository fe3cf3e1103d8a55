"""A clustering that learns from what it is sure of, as a `keras.Model`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from and_tf.distribution import collectives
from and_tf.scan.losses import self_label_loss
from and_tf.scan.scan_model import SCAN


class SelfLabeller(SCAN):
    """One head of a clustering, with its encoder, in the self-labelling step.

    Fit it on a `tf.data` set of (weak, strong) views of the same images, each
    either of an image's side or of a view's.

    As in the authors' code both views pass the encoder in training mode, each
    normalised by its own statistics, and no gradient flows into the weak one.
    A step without a confident sample changes no weight, nothing of the
    optimiser and no average; batch norms' statistics are of all that was
    seen, these images too.

    Args:
        scan: The clustering, whose encoder is shared.
        head: The one that goes on.
        threshold: The probability that a confident answer is above.
        balanced: Whether clusters count alike in the loss.
        decay: Of the weights' moving average, which is then what is
            evaluated; 0 has none.
        freeze: Whether the encoder stays as it is, whatever the clustering
            did.

    Attributes:
        average: A variable for each of the encoder's and the head's; empty
            without a decay.
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
        """The loss of the steps that were not skipped, and how many were."""
        return [self._loss, self._confident, self._skipped]

    @property
    def learnt(self) -> list[keras.Variable]:
        """What there is an average of."""
        return [*self.encoder.variables, *self.head.variables]

    @property
    def method_variables(self) -> list[keras.Variable]:
        """What a checkpoint holds beside the encoder."""
        return [*self.head.variables, *self.average]

    def train_step(
        self, data: tuple[tf.Tensor, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """One step on (weak views, strong views)."""
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

    def get_metrics_result(self) -> dict[str, tf.Tensor]:
        """Means over the epoch so far."""
        return {metric.name: metric.result() for metric in self.metrics}

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """The model with its average in the place of its weights."""
        before = [np.asarray(v) for v in self.learnt] if self.average else []
        self.take_average()
        try:
            yield
        finally:
            for variable, value in zip(self.learnt, before, strict=False):
                variable.assign(value)

    def take_average(self) -> None:
        """Puts the average, where there is one, in the weights' place."""
        for variable, value in zip(self.learnt, self.average, strict=False):
            variable.assign(value)

    def _copies(self) -> list[keras.Variable]:
        copies = [
            # All replicas have the same, so any one's is that of all.
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
