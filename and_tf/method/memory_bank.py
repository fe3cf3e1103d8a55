"""Keeps the memory bank: one embedding for every training sample."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from and_tf.method import loss, sampled_loss
from and_tf.utils.errors import InputError

INITIALISERS = ("unit", "uniform")


def blend(
    old: tf.Tensor, new: tf.Tensor, momentum: float | tf.Tensor
) -> tf.Tensor:
    """Applies equation 8, x̃ ← (1−η)x̃ + ηx, and normalises the result.

    Args:
        old: float32 [B, D], rows of the bank.
        new: float32 [B, D], unit-norm embeddings of the same samples.
        momentum: η in [0, 1], the weight of the new embedding.

    Returns:
        float32 [B, D], unit-norm rows.
    """
    return tf.math.l2_normalize((1.0 - momentum) * old + momentum * new, axis=1)


@keras.saving.register_keras_serializable(package="and_tf")
class MemoryBank(keras.layers.Layer):
    """A memory bank that holds one embedding per training sample, as rows.

    A row moves towards the new embedding of its sample, by equation 8, when
    the sample has been seen. `AND` makes its own bank; make one yourself to
    use the bank in another model.

    Args:
        num_examples: N, the number of rows.
        embedding_dim: D, the length of a row.
        momentum: η of equation 8, the weight of the new embedding.
        initialiser: "unit" draws rows uniformly from the unit sphere.
            "uniform" draws each number uniformly from ±√(3/D), as the authors'
            code does, so that rows have unit norm only on average; until a
            row's first update, its similarities are scaled by its norm.
        seed: Random seed of the initial rows.
        name: Name of the layer.

    Attributes:
        rows: float32 [N, D], non-trainable.

    Examples:
        >>> import numpy as np
        >>> import and_tf
        >>> bank = and_tf.MemoryBank(num_examples=3, embedding_dim=2)
        >>> bank.fill(np.array([[1, 0], [0, 1], [1, 0]], np.float32))
        >>> bank.update(np.array([[0, 1]], np.float32), np.array([2]))
        >>> np.asarray(bank.rows).round(2)[2]
        array([0.71, 0.71], dtype=float32)
    """

    def __init__(
        self,
        num_examples: int,
        embedding_dim: int,
        *,
        momentum: float = 0.5,
        initialiser: str = "unit",
        seed: int | None = None,
        name: str = "memory_bank",
    ) -> None:
        super().__init__(name=name, trainable=False, dtype="float32")
        check(momentum, initialiser)
        self.momentum, self.initialiser = momentum, initialiser
        self.seed = seed
        # With "none", every replica computes and writes the same rows itself.
        # With "only_first_replica" the first would send them to all others.
        self.rows = self.add_weight(
            name="rows",
            shape=(num_examples, embedding_dim),
            initializer=initial_rows(initialiser, seed),
            trainable=False,
            autocast=False,
            aggregation="none",
        )

    def losses(
        self,
        embeddings: tf.Tensor,
        sample_ids: tf.Tensor,
        neighbours: tf.Tensor,
        is_anchor: tf.Tensor,
        temperature: float,
        block_rows: int = 0,
        drawn: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
        """Computes the terms of equation 7 of this replica's samples.

        Args:
            embeddings: [b, D], unit norm.
            sample_ids: integer [b], each sample's row in the bank.
            neighbours, is_anchor, temperature, block_rows: See
                `loss.losses`.
            drawn: integer [K], the rows from which to estimate the terms, see
                `sampled_loss`; None takes all rows.

        Returns:
            float32 [b], and the tensors that were gathered from all replicas
            to compute it: none, or the embeddings [B, D] and sample_ids [B].
        """
        arguments = (
            embeddings,
            sample_ids,
            self.rows.value,
            neighbours,
            is_anchor,
            temperature,
        )
        if drawn is None:
            return loss.losses(*arguments, block_rows), ()
        return sampled_loss.losses(*arguments, drawn), ()

    def update(self, embeddings: tf.Tensor, sample_ids: tf.Tensor) -> None:
        """Blends the embeddings of a batch into their rows (equation 8).

        Args:
            embeddings: float32 [B, D], unit norm.
            sample_ids: integer [B], each sample's row in the bank. If one
                occurs more than once, the row takes one of its embeddings; it
                is not defined which. Batches are drawn without replacement.
        """
        old = tf.gather(self.rows.value, sample_ids)  # [B, D]
        new = blend(old, embeddings, self.momentum)
        self.rows.value.scatter_update(tf.IndexedSlices(new, sample_ids))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return config_of(self)

    def fill(self, embeddings: tf.Tensor) -> None:
        """Replaces all rows by `embeddings`, [N, D], after normalising them."""
        self.rows.assign(tf.math.l2_normalize(embeddings, axis=1))


def config_of(bank: keras.layers.Layer) -> dict[str, Any]:
    """Returns the constructor's arguments of a whole or sharded bank."""
    num_examples, embedding_dim = bank.rows.shape
    return {
        "num_examples": num_examples,
        "embedding_dim": embedding_dim,
        "momentum": bank.momentum,
        "initialiser": bank.initialiser,
        "seed": bank.seed,
        "name": bank.name,
    }


def check(momentum: float, initialiser: str) -> None:
    """Raises an `InputError` for arguments that no bank can have."""
    if initialiser not in INITIALISERS:
        raise InputError(
            f"Expected a bank initialisation among "
            f"{', '.join(INITIALISERS)}. Received: {initialiser!r}."
        )
    if not 0.0 < momentum <= 1.0:
        raise InputError(
            f"Expected a memory momentum in (0, 1]. Received: {momentum}."
        )


def initial_rows(
    initialiser: str, seed: int | None
) -> keras.initializers.Initializer:
    """Returns the initialiser of a bank's rows; see `MemoryBank`."""

    class Rows(keras.initializers.Initializer):
        def __call__(
            self, shape: tuple[int, ...], dtype: str | None = None
        ) -> tf.Tensor:
            if initialiser == "uniform":
                limit = (3.0 / shape[1]) ** 0.5
                draw = keras.initializers.RandomUniform(-limit, limit, seed)
                return draw(shape, dtype)
            draw = keras.initializers.RandomNormal(seed=seed)
            return tf.math.l2_normalize(draw(shape, dtype), axis=1)

    return Rows()
