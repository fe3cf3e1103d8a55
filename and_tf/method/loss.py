"""Computes the loss of a round: equations 2, 3 and 7 of the AND paper.

Let p_ij be the softmax of x_i · x̃_j / τ over the whole bank. The loss of an
anchor is −log Σ_{j ∈ {i} ∪ N(i)} p_ij, that of any other sample −log p_ii.
Both are a log-sum-exp over all rows minus a log-sum-exp over a few rows. The
authors' code sums the softmax before it takes the logarithm, which can
underflow; this code cannot.

The bank is a constant of the loss: gradients reach only the embeddings.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

# A block of a batch's logits, [128, 8192] float32, is 4 MB: it stays in a
# CPU's last cache, and is so large that the cost of starting an operation does
# not matter.
CPU_BLOCK_ROWS = 8192
# A GPU needs larger products to be fast; [256, 65536] float32 is 67 MB.
GPU_BLOCK_ROWS = 65536
# From this temperature up, the maximum need not be subtracted from the logits
# before the exponential. A bank's rows start with a norm of √3 at most, so an
# exponential is at most e^(√3/τ) ≤ e^58; float32 can hold the sum of 10⁹ of
# these, and also e^−58.
LEAST_UNSHIFTED_TEMPERATURE = 0.03


def losses(
    embeddings: tf.Tensor,
    sample_ids: tf.Tensor,
    rows: tf.Tensor,
    neighbours: tf.Tensor,
    is_anchor: tf.Tensor,
    temperature: float,
    block_rows: int = 0,
) -> tf.Tensor:
    """Computes the terms of equation 7; the mean over a batch is the loss.

    Args:
        embeddings: [B, D], unit norm.
        sample_ids: integer [B], each sample's row in the bank.
        rows: float32 [N, D], the memory bank before this step's update.
        neighbours: integer [N, k], discovered neighbours of every sample.
        is_anchor: bool [N], True for the anchors of the round.
        temperature: τ of the softmax.
        block_rows: The number of the bank's rows to take at a time; see
            `log_partition`.

    Returns:
        float32 [B], one term per sample.
    """
    embeddings = tf.cast(embeddings, tf.float32)
    own = log_neighbourhood_mass(
        embeddings, sample_ids, rows, neighbours, is_anchor, temperature
    )
    return log_partition(embeddings, rows, temperature, block_rows) - own


def log_neighbourhood_mass(
    embeddings: tf.Tensor,
    sample_ids: tf.Tensor,
    rows: tf.Tensor,
    neighbours: tf.Tensor,
    is_anchor: tf.Tensor,
    temperature: float,
) -> tf.Tensor:
    """Computes log Σ exp(x_i · x̃_j / τ) over a sample's neighbourhood.

    That is {i} ∪ N(i) for an anchor i, and {i} for any other sample. The
    arguments are those of `losses`.

    Returns:
        float32 [B].
    """
    members = members_of(sample_ids, neighbours)
    logits = logits_of(embeddings, rows, members, temperature)
    counted = only_anchors_neighbours(logits, members[:, 0], is_anchor)
    return tf.reduce_logsumexp(counted, axis=1)


def members_of(sample_ids: tf.Tensor, neighbours: tf.Tensor) -> tf.Tensor:
    """Returns samples and their neighbours, integer [B, 1 + k].

    Args:
        sample_ids: integer [B].
        neighbours: integer [N, k], the neighbours of every sample.
    """
    sample_ids = tf.cast(sample_ids, neighbours.dtype)
    return tf.concat(
        [sample_ids[:, None], tf.gather(neighbours, sample_ids)], axis=1
    )


def logits_of(
    embeddings: tf.Tensor,
    rows: tf.Tensor,
    members: tf.Tensor,
    temperature: float,
) -> tf.Tensor:
    """Computes x_i · x̃_j / τ of each sample's members j, float32 [B, m].

    Args:
        embeddings: float32 [B, D].
        rows: float32 [N, D], the memory bank.
        members: integer [B, m], rows.
        temperature: τ.
    """
    theirs = tf.gather(rows, members)  # [B, m, D]
    return tf.einsum("bd,bmd->bm", embeddings, theirs) / temperature


def only_anchors_neighbours(
    logits: tf.Tensor, sample_ids: tf.Tensor, is_anchor: tf.Tensor
) -> tf.Tensor:
    """Masks the neighbours of samples that are no anchors.

    Args:
        logits: float32 [B, 1 + k]: of the sample itself, then of its k
            neighbours.
        sample_ids: integer [B], each sample's row in the bank.
        is_anchor: bool [N], True for the anchors of the round.

    Returns:
        float32 [B, 1 + k]: `logits`, with −∞ for a neighbour that does not
        count.
    """
    anchor = tf.gather(is_anchor, sample_ids)[:, None]
    itself = tf.one_hot(0, tf.shape(logits)[1], True, False)[None, :]
    return tf.where(anchor | itself, logits, -float("inf"))


def log_partition(
    embeddings: tf.Tensor,
    rows: tf.Tensor,
    temperature: float,
    block_rows: int = 0,
) -> tf.Tensor:
    """Computes log Σ_n exp(x_i · x̃_n / τ), the denominator of equation 2.

    One visit to each block of the bank gives both the sum and the gradient,
    which is the mean of the rows under p (equation 9). So no tensor of size
    B × N is kept, and the backward pass is one multiplication.

    Args:
        embeddings: float32 [B, D], the embeddings x of a batch.
        rows: float32 [N, D], the memory bank, N static; it receives no
            gradient.
        temperature: τ of the softmax.
        block_rows: The number of rows per block. Peak memory is a few times
            B × block_rows × 4 bytes, for any N. 0 takes the default of the
            device.

    Returns:
        float32 [B].
    """
    rows = tf.stop_gradient(tf.convert_to_tensor(rows))
    block_rows = block_rows or default_block_rows()

    @tf.custom_gradient
    def of(embeddings: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        highest, total, weighted = sweep(
            embeddings, rows, temperature, block_rows
        )
        mean_row = weighted / total[:, None]

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return upstream[:, None] * mean_row / temperature

        return tf.math.log(total) + highest, gradient

    return of(embeddings)


def default_block_rows() -> int:
    """Returns the number of rows per block that suits the devices."""
    gpus = tf.config.list_logical_devices("GPU")
    return GPU_BLOCK_ROWS if gpus else CPU_BLOCK_ROWS


def sweep(
    embeddings: tf.Tensor,
    rows: tf.Tensor,
    temperature: float,
    block_rows: int,
    last_counts: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Visits every row once, block by block.

    Args:
        embeddings: float32 [B, D], the embeddings x of a batch.
        rows: float32 [N, D], the rows x̃, N static.
        temperature: τ of the softmax.
        block_rows: The number of rows per block.
        last_counts: bool [], False if the last row is padding. None means
            that it is never padding.

    Returns:
        A shift M [B], the sum of exp(x·x̃_n/τ − M) [B], and the sum of the
        rows with these weights [B, D]. M is 0, or, below
        `LEAST_UNSHIFTED_TEMPERATURE`, the highest logit of the rows. If there
        are no rows but padding, M + log of the sum is −1e30 or less.
    """
    num_rows = rows.shape[0]
    shifted = temperature < LEAST_UNSHIFTED_TEMPERATURE
    scaled = embeddings / temperature  # Cheaper than to scale all logits.
    state = (
        tf.fill(
            [tf.shape(embeddings)[0], 1], -float("inf") if shifted else 0.0
        ),  # M
        tf.zeros([tf.shape(embeddings)[0], 1]),  # Σ exp(logit − M)
        tf.zeros_like(embeddings),  # Σ exp(logit − M) · row
    )

    def visit(
        block: tf.Tensor, state: tuple, bias: tf.Tensor | None = None
    ) -> tuple:
        highest, total, weighted = state
        logits = tf.matmul(scaled, block, transpose_b=True)
        if bias is not None:
            logits += bias
        if shifted:
            new = tf.maximum(highest, tf.reduce_max(logits, 1, keepdims=True))
            shrink = tf.exp(highest - new)
            total, weighted = total * shrink, weighted * shrink
            highest, logits = new, logits - new
        weights = tf.exp(logits)  # [B, block_rows]
        return (
            highest,
            total + tf.reduce_sum(weights, 1, keepdims=True),
            weighted + tf.matmul(weights, block),
        )

    # Whole blocks go through a loop, one at a time to limit memory. The rest
    # comes after the loop, because XLA needs static shapes. It always has the
    # last row, so that no block in the loop has to check for padding.
    whole = (num_rows - 1) // block_rows
    if whole:
        _, *state = tf.while_loop(
            lambda i, *_: i < whole,
            lambda i, *state: (
                i + 1,
                *visit(
                    tf.slice(
                        rows, [i * block_rows, 0], [block_rows, rows.shape[1]]
                    ),
                    state,
                ),
            ),
            (tf.constant(0), *state),
            parallel_iterations=1,
        )
    last, bias = rows[whole * block_rows :], None
    if last_counts is not None:
        # The mask is finite, because −inf minus −inf would be NaN.
        mask = tf.where(last_counts, 0.0, -1e30)
        bias = mask * tf.one_hot(last.shape[0] - 1, last.shape[0])
    highest, total, weighted = visit(last, state, bias)
    return highest[:, 0], total[:, 0], weighted
