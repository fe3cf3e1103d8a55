"""AND as one `keras.Model`: encoder, memory bank and objective."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from and_tf import replicas
from and_tf.errors import InputError
from and_tf.inference import shared_embeddings
from and_tf.multi_worker import MultiWorkerModel
from and_tf.sharded_bank import build_bank
from and_tf.team import Team


class AND(MultiWorkerModel):
    """Anchor Neighbourhood Discovery [1] around any Keras encoder.

    Fit it on a `tf.data` set of (images, numbers): `numbers` are the samples'
    places 0 to N − 1 in the training set, integer [B], each once an epoch.
    Without a `Curriculum` callback it learns by instance discrimination [2].

    Args:
        encoder: A built Keras model from images to [B, D]. Its output is cast
            to float32 and normalised here, whatever its own last layer does.
        num_examples: N.
        neighbourhood_size: k, neighbours beside the sample itself.
        temperature: τ.
        memory_momentum: η of equation 8, the weight of the new embedding.
        bank_initialiser: See `MemoryBank`.
        augmenter: A layer from what the data set gives as images to what the
            encoder takes, applied in the training step alone: the place for
            augmentation on the device.
        shard_bank: Whether each replica of a strategy keeps a part of the
            bank's rows instead of all of them.
        block_rows: Rows of the bank that the objective takes at a time; 0
            chooses. Memory, not results, depend on it.
        seed: Of the bank's initial rows.

    Attributes:
        bank: The `MemoryBank`, or the `ShardedMemoryBank`.
        neighbours: int32 [N, k], of every sample, assigned by `Curriculum`.
        selected: bool [N], the round's anchors; none in the beginning.

    References:
        [1] https://arxiv.org/abs/1904.11567
        [2] https://arxiv.org/abs/1805.01978
    """

    def __init__(
        self,
        encoder: keras.Model,
        num_examples: int,
        *,
        neighbourhood_size: int = 1,
        temperature: float = 0.1,
        memory_momentum: float = 0.5,
        bank_initialiser: str = "unit",
        augmenter: keras.layers.Layer | None = None,
        shard_bank: bool = False,
        block_rows: int = 0,
        seed: int | None = None,
    ) -> None:
        super().__init__(name="AND")
        _check(encoder, num_examples, neighbourhood_size, temperature)
        self.encoder = encoder
        self.augmenter = augmenter
        self.temperature = temperature
        self.block_rows = block_rows
        self.bank = build_bank(
            num_examples,
            encoder.output_shape[-1],
            sharded=shard_bank,
            momentum=memory_momentum,
            initialiser=bank_initialiser,
            seed=seed,
        )
        self.neighbours = self.add_weight(
            name="neighbours",
            shape=(num_examples, neighbourhood_size),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.selected = self.add_weight(
            name="selected",
            shape=(num_examples,),
            dtype="bool",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self._loss = replicas.MeanOfAll(name="loss")
        self.built = True

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss alone; Keras' own mean of it is never updated."""
        return [self._loss]

    @property
    def method_variables(self) -> list[keras.Variable]:
        """The bank's rows first, then the neighbours and the anchors."""
        return [self.bank.rows, self.neighbours, self.selected]

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Images to unit-norm embeddings, float32 [B, D]."""
        embeddings = self.encoder(images, training=training)
        # Whatever the precision policy: τ = 0.1 multiplies errors by ten.
        return tf.math.l2_normalize(tf.cast(embeddings, tf.float32), axis=1)

    def train_step(
        self, data: tuple[tf.Tensor, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """One step of Algorithm 1 on (images, numbers of the samples [b])."""
        images, numbers = data
        if self.augmenter is not None:
            images = self.augmenter(images, training=True)

        with tf.GradientTape() as tape:
            embeddings = self(images, training=True)  # [b, D]
            everyones = (
                replicas.gather(tf.stop_gradient(embeddings)),
                replicas.gather(numbers),
            )  # [B, D], [B]
            losses = self.bank.losses(
                (embeddings, numbers),
                everyones,
                self.neighbours.value,
                self.selected.value,
                self.temperature,
                self.block_rows,
            )  # [b]
            loss = replicas.share_of_mean(losses) + replicas.share(self.losses)
            scaled = self.optimizer.scale_loss(loss)

        gradients = tape.gradient(scaled, self.trainable_variables)
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )

        replicas.agree(self.encoder.non_trainable_variables)
        # After the loss: equation 8 moves rows that the loss has already
        # read. Every replica applies the update of the whole global batch.
        self.bank.update(*everyones)
        self._loss.update_state(replicas.gather(losses))
        return {"loss": self._loss.result()}

    def fill_bank(self, images: tf.data.Dataset) -> None:
        """Puts the encoder's present embeddings into the bank.

        Args:
            images: (images, numbers) batches with every sample once; where
                several processes train, those of all of them together.

        Raises:
            InputError: If a sample is missing.
        """
        rows = np.full(self.bank.rows.shape, np.nan, np.float32)
        found, numbers = shared_embeddings(
            self, images, Team(self.distribute_strategy)
        )
        rows[numbers] = found
        missing = int(np.isnan(rows).any(1).sum())
        if missing:
            raise InputError(
                f"Expected each of the {len(rows)} samples once in the images "
                f"that fill the memory bank. Received none of {missing}."
            )
        self.bank.fill(rows)


def _check(
    encoder: keras.Model,
    num_examples: int,
    neighbourhood_size: int,
    temperature: float,
) -> None:
    """Raises an `InputError` for what cannot be trained."""
    if not encoder.built or len(encoder.output_shape) != 2:
        shape = encoder.output_shape if encoder.built else "an unbuilt encoder"
        raise InputError(
            "Expected a built encoder with outputs [B, D]; call it once on a "
            f"batch if it has no fixed input. Received: {shape}."
        )
    if num_examples < 2:
        raise InputError(
            f"Expected 2 or more training images. Received: {num_examples}."
        )
    if not 1 <= neighbourhood_size < num_examples:
        raise InputError(
            f"Expected a neighbourhood size from 1 to {num_examples - 1}, one "
            f"less than the training images. Received: {neighbourhood_size}."
        )
    if temperature <= 0:
        raise InputError(
            f"Expected a temperature above 0. Received: {temperature}."
        )
