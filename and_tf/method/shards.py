"""Divides the rows of a memory bank among the replicas.

Row n is on replica n mod R, in place ⌊n / R⌋ of its shard. So two shards differ
by at most one row. If a shard has one row less, its last place is padding.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Shards:
    """The division of N rows among R replicas.

    Attributes:
        num_rows: N, the number of rows of the bank.
        replicas: R, the number of replicas.
    """

    num_rows: int
    replicas: int

    @property
    def size(self) -> int:
        """The number of places of a shard, ⌈N/R⌉."""
        return -(-self.num_rows // self.replicas)

    def is_full(self, replica: int | tf.Tensor) -> bool | tf.Tensor:
        """Returns whether the last place of a shard holds a row."""
        return replica + (self.size - 1) * self.replicas < self.num_rows

    def owned(
        self, sample_ids: tf.Tensor, replica: int | tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Finds the rows that a replica holds, and their places in its shard.

        Args:
            sample_ids: integer [...], rows of the bank.
            replica: The number of the replica, 0 to R − 1.

        Returns:
            int64 [P, rank of `sample_ids`], the positions in `sample_ids` of
            the P rows that the replica holds, in order; and their places in
            the shard, integer [P].
        """
        # float64, because a GPU has no integer division, so that the step would
        # wait for the host. Rounded down, quotients are exact below 2^53.
        quotients = tf.cast(sample_ids, tf.float64) / self.replicas
        places = tf.cast(tf.floor(quotients), sample_ids.dtype)
        owners = sample_ids - places * self.replicas
        positions = tf.where(owners == tf.cast(replica, sample_ids.dtype))
        return positions, tf.gather_nd(places, positions)

    def split(self, rows: np.ndarray, replica: int) -> np.ndarray:
        """Returns a replica's shard [S, D] of all rows [N, D], zero-padded."""
        shard = rows[replica :: self.replicas]
        return np.pad(shard, [(0, self.size - len(shard)), (0, 0)])

    def join(self, shards: list[np.ndarray]) -> np.ndarray:
        """Returns all rows [N, D] of the R shards [S, D], given in order."""
        whole = np.stack(shards, axis=1)  # [S, R, D]
        return whole.reshape(-1, whole.shape[-1])[: self.num_rows]
