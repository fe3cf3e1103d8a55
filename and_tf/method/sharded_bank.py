"""Keeps a memory bank of which every replica holds a part of the rows."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from and_tf.distribution import collectives
from and_tf.method import sharded_loss
from and_tf.method.memory_bank import (
    MemoryBank,
    blend,
    check,
    config_of,
    initial_rows,
)
from and_tf.method.shards import Shards
from and_tf.utils.errors import InputError


def build_bank(
    num_examples: int, embedding_dim: int, *, sharded: bool, **options: Any
) -> MemoryBank | ShardedMemoryBank:
    """Makes the bank of a model, under the strategy of the current scope.

    Args:
        num_examples: N, the number of rows.
        embedding_dim: D, the length of a row.
        sharded: Whether the rows are spread over the replicas. With one
            replica, the bank is a `MemoryBank` in any case.
        **options: Further arguments of `MemoryBank`.
    """
    count = tf.distribute.get_strategy().num_replicas_in_sync
    kind = ShardedMemoryBank if sharded and count > 1 else MemoryBank
    return kind(num_examples, embedding_dim, **options)


@keras.saving.register_keras_serializable(package="and_tf")
class ShardedMemoryBank(keras.layers.Layer):
    """A `MemoryBank` with at most ⌈N/R⌉ of its rows on each of R replicas.

    In a step, each replica computes over its own rows for the images of all
    replicas. So a step does the same work as with a whole bank, and the bank
    takes 1/R of the memory per replica. Between steps, discovery, evaluation
    and checkpoints read the whole bank through the host; the search of
    discovery then needs memory for all rows on one device. Make this bank in
    the scope of a strategy whose replicas are all in this process.

    Args:
        num_examples: N, the number of rows.
        embedding_dim: D, the length of a row.
        momentum, initialiser, seed: See `MemoryBank`; the same seed gives the
            same rows in both.
        name: The name of the layer.

    Attributes:
        rows: The whole bank, as if it were one variable; see `WholeRows`.
        shard: float32 [⌈N/R⌉, D], non-trainable. Its content differs from
            replica to replica.
        shards: The `Shards`, which say which replica holds which rows.

    Raises:
        InputError: If some replicas are in other processes.
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
        strategy = tf.distribute.get_strategy()
        self.shards = Shards(num_examples, strategy.num_replicas_in_sync)
        # With "none", each replica keeps what it writes in a step.
        self.shard = self.add_weight(
            name="rows",
            shape=(self.shards.size, embedding_dim),
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="none",
        )
        local = len(strategy.experimental_local_results(self.shard.value))
        if local != self.shards.replicas:
            raise InputError(
                "Expected all replicas in one process with --shard_bank. "
                f"Received: {local} of {self.shards.replicas}. Leave the flag "
                "out, or train on one machine."
            )
        self.rows = WholeRows(self.shard, self.shards, strategy)
        # Rows are drawn on the host, so that no device needs room for all.
        with tf.device("CPU:0"):
            draw = initial_rows(initialiser, seed)
            self.rows.assign(draw((num_examples, embedding_dim), "float32"))

    def losses(
        self,
        embeddings: tf.Tensor,
        sample_ids: tf.Tensor,
        neighbours: tf.Tensor,
        is_anchor: tf.Tensor,
        temperature: float,
        block_rows: int = 0,
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
        """Computes the terms of equation 7 by all replicas together.

        Arguments and result are those of `MemoryBank.losses`.
        """
        all_embeddings, all_ids = collectives.gather_together(
            tf.stop_gradient(embeddings), sample_ids
        )
        terms = sharded_loss.losses(
            embeddings,
            all_embeddings,
            all_ids,
            tf.convert_to_tensor(self.shard.value),
            self.shards,
            neighbours,
            is_anchor,
            temperature,
            block_rows,
        )
        return terms, (all_embeddings, all_ids)

    def update(self, embeddings: tf.Tensor, sample_ids: tf.Tensor) -> None:
        """Blends embeddings into the rows that this replica holds.

        Args:
            embeddings: float32 [B, D], unit norm, of the whole global batch.
            sample_ids: integer [B], distinct, each sample's row in the bank.
        """
        positions, places = self.shards.owned(sample_ids, collectives.number())
        old = tf.gather(self.shard.value, places)  # [P, D]
        new = tf.gather_nd(embeddings, positions)  # [P, D]
        self.shard.value.scatter_update(
            tf.IndexedSlices(blend(old, new, self.momentum), places)
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return config_of(self)

    def fill(self, embeddings: np.ndarray | tf.Tensor) -> None:
        """Replaces all rows by `embeddings`, [N, D], after normalising them."""
        with tf.device("CPU:0"):
            self.rows.assign(tf.math.l2_normalize(embeddings, axis=1))

    def save_own_variables(self, store: dict) -> None:
        """Writes the whole bank to a weights file, as `MemoryBank` would."""
        store["0"] = np.asarray(self.rows)

    def load_own_variables(self, store: dict) -> None:
        """Reads the whole bank from a weights file."""
        self.rows.assign(np.asarray(store["0"]))


class WholeRows:
    """All rows of a sharded bank, with the interface of a variable [N, D].

    Use it only outside of steps. Reading and assigning go through the host's
    memory, which needs room for N × D numbers; each replica gets only its own
    shard.

    Args:
        shard: The variable that has a shard on each replica.
        shards: The `Shards`, which say which replica holds which rows.
        strategy: The strategy of the replicas.

    Attributes:
        path: The variable's name in checkpoints, the same as for a whole bank.
        shape: (N, D).
    """

    def __init__(
        self,
        shard: keras.Variable,
        shards: Shards,
        strategy: tf.distribute.Strategy,
    ) -> None:
        self._shard = shard
        self._shards = shards
        self._strategy = strategy
        self.path: str = shard.path
        self.shape = (shards.num_rows, shard.shape[1])

    @property
    def value(self) -> np.ndarray:
        """A copy of the rows, float32 [N, D]."""
        return self._shards.join([v.numpy() for v in self._parts()])

    def numpy(self) -> np.ndarray:
        """Returns a copy of the rows, float32 [N, D]."""
        return self.value

    def __array__(
        self, dtype: np.dtype | None = None, copy: bool | None = None
    ) -> np.ndarray:
        return np.asarray(self.value, dtype)

    def assign(self, rows: np.ndarray | tf.Tensor) -> None:
        """Gives every replica its part of `rows`, float32 [N, D]."""
        rows = np.asarray(rows, np.float32)
        if rows.shape != self.shape:
            raise InputError(
                f"Expected rows of shape {self.shape}. Received: {rows.shape}."
            )
        for replica, part in enumerate(self._parts()):
            part.assign(self._shards.split(rows, replica))

    def _parts(self) -> tuple[tf.Variable, ...]:
        return self._strategy.experimental_local_results(self._shard.value)
