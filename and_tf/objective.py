"""The objective of a round: equations 2, 3 and 7 of the AND paper.

With p_ij the softmax of x_i · x̃_j / τ over the whole bank, a sample that is
no anchor has the loss −log p_ii, an anchor −log Σ_{j ∈ {i} ∪ N(i)} p_ij. Both
are a log-sum-exp over everything less one over a few. The authors' code sums
the softmax and takes the logarithm after, which underflows; this does not.

The bank is a constant of the objective: gradients reach the embeddings alone.
"""

from __future__ import annotations

import tensorflow as tf

# A block of a batch's logits, [128, 2048] float32, is 1 MB: it stays in the
# cache of a CPU core, and the product of a longer one runs no faster there.
CPU_BLOCK_ROWS = 2048
# A GPU wants long products; [256, 65536] float32 is 67 MB.
GPU_BLOCK_ROWS = 65536


def losses(
    embeddings: tf.Tensor,
    numbers: tf.Tensor,
    rows: tf.Tensor,
    neighbours: tf.Tensor,
    selected: tf.Tensor,
    temperature: float,
    block_rows: int = 0,
) -> tf.Tensor:
    """The terms of equation 7, one a sample; their mean is the objective.

    Args:
        embeddings: [B, D], unit norm.
        numbers: integer [B], each sample's row in the bank.
        rows: float32 [N, D], the memory bank before this step's update.
        neighbours: integer [N, k], discovered neighbours of every sample.
        selected: bool [N], True for the anchors of the round.
        temperature: τ.
        block_rows: Rows of the bank taken at a time, see `log_partition`.

    Returns:
        float32 [B].
    """
    embeddings = tf.cast(embeddings, tf.float32)
    own = log_neighbourhood_mass(
        embeddings, numbers, rows, neighbours, selected, temperature
    )
    return log_partition(embeddings, rows, temperature, block_rows) - own


def log_neighbourhood_mass(
    embeddings: tf.Tensor,
    numbers: tf.Tensor,
    rows: tf.Tensor,
    neighbours: tf.Tensor,
    selected: tf.Tensor,
    temperature: float,
) -> tf.Tensor:
    """log Σ exp(x_i · x̃_j / τ) over {i} ∪ N(i), or over {i} if i is no anchor.

    Arguments as those of `losses`. Returns: float32 [B].
    """
    numbers = tf.cast(numbers, neighbours.dtype)
    members = tf.concat(
        [numbers[:, None], tf.gather(neighbours, numbers)], axis=1
    )  # [B, 1 + k]
    logits = (
        tf.einsum("bd,bmd->bm", embeddings, tf.gather(rows, members))
        / temperature
    )  # [B, 1 + k]
    counted = only_anchors_neighbours(logits, numbers, selected)
    return tf.reduce_logsumexp(counted, axis=1)


def only_anchors_neighbours(
    logits: tf.Tensor, numbers: tf.Tensor, selected: tf.Tensor
) -> tf.Tensor:
    """Leaves the neighbours of those that are no anchors out of a sum.

    Args:
        logits: float32 [B, 1 + k], a sample's own first.
        numbers: integer [B].
        selected: bool [N].

    Returns:
        `logits`, −∞ where a neighbour does not count.
    """
    anchor = tf.gather(selected, numbers)[:, None]
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
        The highest logit M = max_n x·x̃_n/τ [B], the sum of
        exp(x·x̃_n/τ − M) [B], and the sum of the rows with these weights
        [B, D]. Where padding is all there is, M is −1e30.
    """
    num_rows = rows.shape[0]
    state = (
        tf.fill([tf.shape(embeddings)[0], 1], -float("inf")),  # running max
        tf.zeros([tf.shape(embeddings)[0], 1]),  # Σ exp(logit − max)
        tf.zeros_like(embeddings),  # Σ exp(logit − max) · row
    )

    def visit(
        block: tf.Tensor, state: tuple, bias: tf.Tensor | None = None
    ) -> tuple:
        highest, total, weighted = state
        logits = tf.matmul(embeddings, block, transpose_b=True) / temperature
        if bias is not None:
            logits += bias
        new = tf.maximum(highest, tf.reduce_max(logits, 1, keepdims=True))
        weights = tf.exp(logits - new)  # [B, block_rows]
        shrink = tf.exp(highest - new)
        total = total * shrink + tf.reduce_sum(weights, 1, keepdims=True)
        return new, total, weighted * shrink + tf.matmul(weights, block)

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
