"""The k highest numbers of each row, without sorting the row.

XLA's top-k sorts whole rows, which for a long row costs far more than the
product that made it. The k highest lie in the k groups with the highest
maxima: a top-k over the maxima, itself found in this way, and one over the
members of the winning groups are exact, and sort few numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

GROUP = 16  # Numbers that a maximum is of.
DIRECT = 1024  # Rows up to this length are sorted whole.


def highest(
    values: tf.Tensor,
    k: int,
    mask: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = lambda x, _: x,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Finds the k highest numbers of each row; to be compiled by XLA.

    Args:
        values: float32 [q, n], of known shape.
        k: At least 1, at most n.
        mask: Gets numbers [q, m] and their columns, int32 [m] or [q, m];
            returns the numbers, −∞ in place of those that must not win. At
            least k of a row stay. It is called for all numbers and again for
            those that are left: XLA computes it on the way, where a masked
            copy of all would double the memory.

    Returns:
        float32 [q, k] in descending order, and their columns, int32 [q, k].
        The order among equal numbers is not defined.
    """
    count, width = values.shape
    everywhere = tf.range(width)
    if sorts_whole(width, k):
        best = tf.math.top_k(mask(values, everywhere), k)
        return best.values, best.indices
    stride = -(-width // GROUP)
    # Group g has the columns g, g + stride, …: its maximum is taken over the
    # middle axis, along which neighbouring threads read neighbouring numbers.
    groups = tf.reshape(
        tf.pad(
            mask(values, everywhere),
            [[0, 0], [0, stride * GROUP - width]],
            constant_values=-float("inf"),
        ),
        [count, GROUP, stride],
    )
    _, winners = highest(tf.reduce_max(groups, axis=1), min(k, stride))
    members = winners[:, :, None] + tf.range(GROUP) * stride
    members = tf.reshape(members, [count, -1])  # [q, k · GROUP]
    inside = tf.minimum(members, width - 1)
    left = mask(tf.gather(values, inside, batch_dims=1), members)
    left = tf.where(members < width, left, -float("inf"))
    best = tf.math.top_k(left, k)
    return best.values, tf.gather(members, best.indices, batch_dims=1)


def sorts_whole(width: int, k: int) -> bool:
    """Returns whether sorting a row is no more work than going by groups."""
    return width <= max(DIRECT, GROUP * k + width // GROUP)


def numbers_beside(width: int, k: int) -> int:
    """Returns how many 4-byte numbers `highest` holds for a row of `width`.

    Maxima, and of every top-k what is sorted, its places and the sorted both.
    """
    if sorts_whole(width, k):
        return 4 * width
    stride = -(-width // GROUP)
    k = min(k, stride)
    return stride + 4 * GROUP * k + numbers_beside(stride, k)
