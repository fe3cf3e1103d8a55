"""A memory bank of which every replica holds a part of the rows."""

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
    num_examples: int, embedding_dim: int, *, sharded: bool, **options: object
) -> MemoryBank | ShardedMemoryBank:
    """Makes the bank of a model, under the strategy of the scope.

    Args:
        num_examples: N.
        embedding_dim: D.
        sharded: Whether its rows are spread over the replicas. With one
            replica that is the whole bank.
        **options: Those of `MemoryBank`.
    """
    count = tf.distribute.get_strategy().num_replicas_in_sync
    kind = ShardedMemoryBank if sharded and count > 1 else MemoryBank
    return kind(num_examples, embedding_dim, **options)


@keras.saving.register_keras_serializable(package="and_tf")
class ShardedMemoryBank(keras.layers.Layer):
    """`MemoryBank` with ⌈N/R⌉ of its rows on each of R replicas.

    Every step computes over each replica's own rows for the images of all
    replicas, so that a step's work is that of a whole bank, its memory a
    share. Between steps, discovery, evaluation and checkpoints take the whole
    bank through the host; discovery's search borrows the memory of one device
    for it. To be made in the scope of a strategy whose replicas are all in
    this process.

    Args:
        num_examples: N.
        embedding_dim: D.
        momentum, initialiser, seed: As those of `MemoryBank`; one seed gives
            both the same rows.

    Attributes:
        rows: The whole bank, as if it were one variable; see `WholeRows`.
        shard: float32 [⌈N/R⌉, D], non-trainable. Its content differs from
            replica to replica.
        shards: Which rows these are.

    Raises:
        InputError: If replicas are in other processes.
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
        # NONE: what a replica writes in a step stays its own.
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
        # Drawn on the host, which alone has to have room for all of them.
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
        """See `MemoryBank.losses`; computed by all replicas together."""
        everyones = collectives.gather_together(
            tf.stop_gradient(embeddings), sample_ids
        )
        terms = sharded_loss.losses(
            embeddings,
            *everyones,
            tf.convert_to_tensor(self.shard.value),
            self.shards,
            neighbours,
            is_anchor,
            temperature,
            block_rows,
        )
        return terms, everyones

    def update(self, embeddings: tf.Tensor, sample_ids: tf.Tensor) -> None:
        """Blends the embeddings of which this replica holds the rows.

        Args:
            embeddings: float32 [B, D], unit norm, of the whole global batch.
            sample_ids: integer [B], the samples' numbers, each once.
        """
        positions, places = self.shards.owned(sample_ids, collectives.number())
        old = tf.gather(self.shard.value, places)  # [P, D]
        new = tf.gather_nd(embeddings, positions)  # [P, D]
        self.shard.value.scatter_update(
            tf.IndexedSlices(blend(old, new, self.momentum), places)
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        return config_of(self)

    def fill(self, embeddings: np.ndarray | tf.Tensor) -> None:
        """Replaces all rows by `embeddings`, float32 [N, D], normalised."""
        with tf.device("CPU:0"):
            self.rows.assign(tf.math.l2_normalize(embeddings, axis=1))

    def save_own_variables(self, store: dict) -> None:
        """Writes the whole bank to a weights file, as `MemoryBank` would."""
        store["0"] = np.asarray(self.rows)

    def load_own_variables(self, store: dict) -> None:
        """Takes the whole bank from a weights file."""
        self.rows.assign(np.asarray(store["0"]))


class WholeRows:
    """All rows of a sharded bank, in the guise of a variable [N, D].

    Outside of steps alone. Reading and assigning pass through the host's
    memory, which has to have room for N × D; a replica sees its shard alone.

    Args:
        shard: The variable, with a shard on each replica.
        shards: Which rows these are.
        strategy: Of the replicas.

    Attributes:
        path: The variable's name in checkpoints, that of a whole bank's.
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
        """float32 [N, D], a copy."""
        return self._shards.join([v.numpy() for v in self._parts()])

    def numpy(self) -> np.ndarray:
        """float32 [N, D], a copy."""
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
