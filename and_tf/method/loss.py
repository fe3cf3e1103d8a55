"""The objective of a round: equations 2, 3 and 7 of the AND paper.

With p_ij the softmax of x_i · x̃_j / τ over the whole bank, a sample that is
no anchor has the loss −log p_ii, an anchor −log Σ_{j ∈ {i} ∪ N(i)} p_ij. Both
are a log-sum-exp over everything less one over a few. The authors' code sums
the softmax and takes the logarithm after, which underflows; this does not.

The bank is a constant of the objective: gradients reach the embeddings alone.
"""

from __future__ import annotations

import tensorflow as tf

# A block of a batch's logits, [128, 8192] float32, is 4 MB: it stays in a
# CPU's last cache, and what it costs to start an operation no longer shows.
CPU_BLOCK_ROWS = 8192
# A GPU wants long products; [256, 65536] float32 is 67 MB.
GPU_BLOCK_ROWS = 65536
# From this temperature on the exponentials of logits need no maximum taken
# off. Rows of norm √3 are the longest that a bank begins with, and e^(√3/τ)
# is at most e^58 then: of 10⁹ rows float32 still holds the sum, and e^−58.
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
    """The terms of equation 7, one a sample; their mean is the objective.

    Args:
        embeddings: [B, D], unit norm.
        sample_ids: integer [B], each sample's row in the bank.
        rows: float32 [N, D], the memory bank before this step's update.
        neighbours: integer [N, k], discovered neighbours of every sample.
        is_anchor: bool [N], True for the anchors of the round.
        temperature: τ.
        block_rows: Rows of the bank taken at a time, see `log_partition`.

    Returns:
        float32 [B].
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
    """log Σ exp(x_i · x̃_j / τ) over {i} ∪ N(i), or over {i} if i is no anchor.

    Arguments as those of `losses`. Returns: float32 [B].
    """
    sample_ids = tf.cast(sample_ids, neighbours.dtype)
    members = tf.concat(
        [sample_ids[:, None], tf.gather(neighbours, sample_ids)], axis=1
    )  # [B, 1 + k]
    logits = (
        tf.einsum("bd,bmd->bm", embeddings, tf.gather(rows, members))
        / temperature
    )  # [B, 1 + k]
    counted = only_anchors_neighbours(logits, sample_ids, is_anchor)
    return tf.reduce_logsumexp(counted, axis=1)


def only_anchors_neighbours(
    logits: tf.Tensor, sample_ids: tf.Tensor, is_anchor: tf.Tensor
) -> tf.Tensor:
    """Leaves the neighbours of those that are no anchors out of a sum.

    Args:
        logits: float32 [B, 1 + k], a sample's own first.
        sample_ids: integer [B].
        is_anchor: bool [N].

    Returns:
        `logits`, −∞ where a neighbour does not count.
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
    """log Σ_n exp(x_i · x̃_n / τ), the denominator of equation 2.

    One visit to each block of the bank gives the sum and, since the gradient
    is the mean of the rows under p (equation 9), the gradient too: nothing of
    size B × N is kept, and the backward pass is one multiplication.

    Args:
        embeddings: float32 [B, D].
        rows: float32 [N, D], N static; receives no gradient.
        temperature: τ.
        block_rows: Rows a block; peak memory is a few B × block_rows × 4
            bytes whatever N is. 0 chooses by the device.

    Returns:
        float32 [B].
    """
    rows = tf.stop_gradient(tf.convert_to_tensor(rows))
    block_rows = block_rows or default_block_rows()

    @tf.custom_gradient
    def of(embeddings: tf.Tensor):
        highest, total, weighted = sweep(
            embeddings, rows, temperature, block_rows
        )
        mean_row = weighted / total[:, None]

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return upstream[:, None] * mean_row / temperature

        return tf.math.log(total) + highest, gradient

    return of(embeddings)


def default_block_rows() -> int:
    """Rows that are best taken at a time on the devices there are."""
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
        embeddings: float32 [B, D].
        rows: float32 [N, D], N static.
        temperature: τ.
        block_rows: Rows a block.
        last_counts: bool scalar, False where the last row is padding. None
            where it never is.

    Returns:
        A shift M [B], the sum of exp(x·x̃_n/τ − M) [B], and the sum of the
        rows with these weights [B, D]. M is 0, or, below
        `LEAST_UNSHIFTED_TEMPERATURE`, the highest logit of those visited.
        Where padding is all there is, M + log of the sum is −1e30 or less.
    """
    num_rows = rows.shape[0]
    shifted = temperature < LEAST_UNSHIFTED_TEMPERATURE
    scaled = embeddings / temperature  # Once, and not every block's logits.
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

    # Whole blocks in a loop, one at a time so that memory stays flat; the
    # rest apart, so that every shape is static, as XLA needs it, and with it
    # the last row, so that no other block has to ask whether it counts.
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
        # Finite, for −inf less −inf would be NaN.
        mask = tf.where(last_counts, 0.0, -1e30)
        bias = mask * tf.one_hot(last.shape[0] - 1, last.shape[0])
    highest, total, weighted = visit(last, state, bias)
    return highest[:, 0], total[:, 0], weighted
