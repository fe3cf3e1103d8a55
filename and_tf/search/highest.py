"""Finds the k highest numbers of each row without sorting the row.

XLA's top-k sorts whole rows, which for a long row costs far more than the
product that made it. The k highest numbers lie in the k groups with the highest
maxima. So a top-k over the maxima, itself found in this way, and a top-k over
the members of the winning groups give the exact result and sort few numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

GROUP = 16  # The number of members of a group.
DIRECT = 1024  # Rows up to this length are sorted whole.


def highest(
    values: tf.Tensor,
    k: int,
    mask: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = lambda x, _: x,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Finds the k highest numbers of each row, to be compiled by XLA.

    Args:
        values: float32 [q, n], of static shape.
        k: The number of results, from 1 to n.
        mask: A function of numbers [q, m] and their columns, int32 [m] or
            [q, m]. It returns the numbers, with −∞ for those that must not
            win; at least k of each row must stay. It is called for all numbers
            and again for the members of the winning groups. XLA fuses it
            with other operations, while a masked copy of all numbers would
            double the memory.

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
    # Group g has the columns g, g + stride, …. With the maximum over the middle
    # axis, neighbouring threads read neighbouring numbers.
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
    """Returns whether sorting a whole row is no more work than using groups."""
    return width <= max(DIRECT, GROUP * k + width // GROUP)


def numbers_beside(width: int, k: int) -> int:
    """Returns how many 4-byte numbers `highest` holds for a row of `width`.

    These are the maxima and, for every top-k, the numbers to sort, their
    places, and the sorted numbers and places.
    """
    if sorts_whole(width, k):
        return 4 * width
    stride = -(-width // GROUP)
    k = min(k, stride)
    return stride + 4 * GROUP * k + numbers_beside(stride, k)
