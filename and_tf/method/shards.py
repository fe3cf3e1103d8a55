"""Which replica holds which rows of a bank that is spread over them.

Row n lies on replica n mod R, in place n ÷ R: no two shards differ by more
than one row, and where a shard has one less, its last place is padding.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Shards:
    """N rows over R replicas.

    Attributes:
        num_rows: N.
        replicas: R.
    """

    num_rows: int
    replicas: int

    @property
    def size(self) -> int:
        """Places of a shard, ⌈N/R⌉."""
        return -(-self.num_rows // self.replicas)

    def is_full(self, replica: int | tf.Tensor) -> bool | tf.Tensor:
        """Whether the last place of a replica's shard holds a row."""
        return replica + (self.size - 1) * self.replicas < self.num_rows

    def owned(
        self, sample_ids: tf.Tensor, replica: int | tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Which of some rows a replica holds, and where in its shard.

        Args:
            sample_ids: integer [...], rows of the bank.
            replica: Its number, 0 to R − 1.

        Returns:
            int64 [P, rank of `sample_ids`], the positions in `sample_ids` of
            the P rows that it holds, in order; and their places, [P].
        """
        # By float64, for a GPU has no division of integers, and the step would
        # wait for the host. Rounded down it is exact below 2^53.
        quotients = tf.cast(sample_ids, tf.float64) / self.replicas
        places = tf.cast(tf.floor(quotients), sample_ids.dtype)
        owners = sample_ids - places * self.replicas
        positions = tf.where(owners == tf.cast(replica, sample_ids.dtype))
        return positions, tf.gather_nd(places, positions)

    def split(self, rows: np.ndarray, replica: int) -> np.ndarray:
        """A replica's shard [S, D] of the whole [N, D]; zeros as padding."""
        shard = rows[replica :: self.replicas]
        return np.pad(shard, [(0, self.size - len(shard)), (0, 0)])

    def join(self, shards: list[np.ndarray]) -> np.ndarray:
        """The whole [N, D] of all shards [S, D], in order of replica."""
        whole = np.stack(shards, axis=1)  # [S, R, D]
        return whole.reshape(-1, whole.shape[-1])[: self.num_rows]
