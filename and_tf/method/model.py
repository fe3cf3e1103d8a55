"""Defines AND as one `keras.Model` of encoder, memory bank and loss."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from and_tf.distribution import collectives
from and_tf.distribution.predict import shared_embeddings
from and_tf.distribution.process_group import ProcessGroup
from and_tf.method.encoder_model import Pretext
from and_tf.method.memory_bank import MemoryBank
from and_tf.method.row_draws import draw_rows
from and_tf.method.samples import check_numbers, images_and_numbers
from and_tf.method.sharded_bank import ShardedMemoryBank, build_bank
from and_tf.utils.errors import InputError


@keras.saving.register_keras_serializable(package="and_tf")
class AND(Pretext):
    """Anchor Neighbourhood Discovery [1] around any Keras encoder.

    Fit it on a `tf.data` set of batches (images, sample_ids), or on two such
    arrays. The id of a sample is its position in the training set. Without a
    `Curriculum` callback it learns by instance discrimination [2].

    `evaluate` returns the instance loss of (images, sample_ids), and `predict`
    the unit-norm embeddings of images. `save` keeps everything that training
    needs; `keras.models.load_model` continues from it once this class has been
    imported.

    Args:
        encoder: A model or layer from images [B, S, S, 3] to [B, D].
        num_examples: N, the number of training samples.
        neighbourhood_size: k, the number of neighbours beside the sample
            itself.
        temperature: τ of the softmax over the memory bank.
        memory_momentum: η of equation 8, the weight of the new embedding.
        bank_initialiser: The distribution of the bank's initial rows, "unit"
            or "uniform"; see `MemoryBank`.
        augmenter: A layer that makes views of images in the training step.
            None trains on the images as they are.
        shard_bank: Whether each replica of a strategy keeps a part of the
            bank's rows instead of all of them.
        block_rows: Rows of the bank that the loss takes at a time; 0 lets it
            choose. This changes memory, not results.
        negatives: K, the number of rows that each step draws to estimate the
            loss of the whole bank; see `sampled_loss`. 0 takes all rows, and
            so does any K from N on.
        seed: Random seed of the bank's initial rows, and of the rows drawn.

    Attributes:
        bank: The `MemoryBank`, or the `ShardedMemoryBank`.
        neighbours: int64 [N, k], the neighbours of every sample, assigned by
            `Curriculum`. TensorFlow keeps int32 variables on the host, where
            a step that is compiled for a GPU cannot read them.
        is_anchor: bool [N], True for the round's anchors; all False before
            round 1.

    Examples:
        >>> import keras
        >>> import numpy as np
        >>> import and_tf
        >>> rng = np.random.default_rng(0)
        >>> images = rng.integers(0, 256, (40, 8, 8, 3), np.uint8)
        >>> encoder = and_tf.encoders.build("small", 8, embedding_dim=16)
        >>> model = and_tf.AND(encoder, num_examples=40)
        >>> model.compile(keras.optimizers.SGD(0.03))
        >>> history = model.fit(images, np.arange(40), verbose=0)
        >>> model.predict(images, verbose=0).shape
        (40, 16)

    References:
        [1] https://arxiv.org/abs/1904.11567
        [2] https://arxiv.org/abs/1805.01978
    """

    bank: MemoryBank | ShardedMemoryBank  # Never None.

    def __init__(
        self,
        encoder: keras.Model,
        num_examples: int,
        *,
        neighbourhood_size: int = 1,
        temperature: float = 0.1,
        memory_momentum: float = 0.5,
        bank_initialiser: str = "unit",
        augmenter: keras.layers.Layer | None = None,
        shard_bank: bool = False,
        block_rows: int = 0,
        negatives: int = 0,
        seed: int | None = None,
    ) -> None:
        super().__init__(
            encoder,
            num_examples,
            temperature=temperature,
            augmenter=augmenter,
            name="AND",
        )
        _check(num_examples, neighbourhood_size)
        _check_negatives(negatives)
        self.block_rows, self.shard_bank = block_rows, shard_bank
        self.negatives = negatives
        self.bank = build_bank(
            num_examples,
            self.shapes.embedding_dim,
            sharded=shard_bank,
            momentum=memory_momentum,
            initialiser=bank_initialiser,
            seed=seed,
        )
        if self._draws and isinstance(self.bank, ShardedMemoryBank):
            raise InputError(
                "Expected negatives=0 with shard_bank=True, as no replica has "
                f"all rows to draw from. Received: {negatives}."
            )
        self.neighbours = self.add_weight(
            name="neighbours",
            shape=(num_examples, neighbourhood_size),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.is_anchor = self.add_weight(
            name="selected",
            shape=(num_examples,),
            dtype="bool",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )

    @property
    def method_variables(self) -> list[keras.Variable]:
        """The bank's rows first, then the neighbours and the anchors."""
        return [self.bank.rows, self.neighbours, self.is_anchor]

    def train_step(
        self, data: tuple[tf.Tensor, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Runs one step of Algorithm 1 on a batch (images, sample_ids [b])."""
        images, sample_ids = self.samples(data)
        count = collectives.count_of_all(sample_ids)
        terms, gradients, embeddings, heard = self.differentiated(
            images, sample_ids, count
        )

        # Besides this, replicas exchange only gradients and statistics. A
        # sharded bank has already gathered the embeddings and ids for its loss.
        if heard:
            terms = collectives.gather_together(*terms)  # [B] each
        else:
            gathered = collectives.gather_together(
                embeddings, sample_ids, *terms
            )  # [B, D], [B], [B] each
            heard, terms = gathered[:2], gathered[2:]
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )

        collectives.sync_batch_stats(self.encoder.non_trainable_variables)
        # The update comes after the loss, which reads the rows before equation
        # 8 moves them. Every replica applies that of the whole global batch.
        self.bank.update(*heard)
        return self._logs(terms)

    def differentiate(
        self,
        images: tf.Tensor,
        sample_ids: tf.Tensor,
        count: tf.Tensor | None,
    ) -> tuple[tuple[tf.Tensor, ...], list[tf.Tensor], tf.Tensor, tuple]:
        """Computes the losses and gradients of this replica's samples.

        Args:
            images, sample_ids: This replica's batch, as in `train_step`.
            count: B, the size of the global batch; see
                `collectives.count_of_all`.

        Returns:
            The first result of `terms`, the gradients of the trainable
            variables, embeddings float32 [b, D], and the tensors that the bank
            gathered from all replicas; see `MemoryBank.losses`.
        """
        images = self.views(images)
        with tf.GradientTape() as tape:
            embeddings = self(images, training=True)  # [b, D]
            terms, heard = self.terms(embeddings, sample_ids, training=True)
            loss = collectives.share_of_mean(terms[0], count)
            loss += collectives.share(self.losses)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.trainable_variables)
        return terms, gradients, embeddings, heard

    def terms(
        self, embeddings: tf.Tensor, sample_ids: tf.Tensor, *, training: bool
    ) -> tuple[tuple[tf.Tensor, ...], tuple[tf.Tensor, ...]]:
        """Computes the loss of each sample of this replica.

        A subclass may add a term to it.

        Args:
            embeddings: float32 [b, D], of unit norm.
            sample_ids: integer [b].
            training: Whether anchors have neighbourhoods (equation 7). Else
                each sample is told from all others (equation 2).

        Returns:
            A value float32 [b] for each of `metrics`, the loss first, and the
            tensors that the bank gathered; see `MemoryBank.losses`.
        """
        is_anchor = self.is_anchor.value
        losses, heard = self.bank.losses(
            embeddings,
            sample_ids,
            self.neighbours.value,
            is_anchor if training else tf.zeros_like(is_anchor),
            self.temperature,
            self.block_rows,
            **self._drawn() if training else {},
        )  # [b]
        return (losses,), heard

    @property
    def _draws(self) -> bool:
        """True if a step draws rows instead of taking all."""
        return 0 < self.negatives < self.bank.rows.shape[0]

    def _drawn(self) -> dict[str, tf.Tensor]:
        """Returns the rows of this step as an argument, the same everywhere."""
        if not self._draws:
            return {}
        step = self.optimizer.iterations.value
        size = self.bank.rows.shape[0]
        return {
            "drawn": draw_rows(self.bank.seed or 0, step, size, self.negatives)
        }

    def test_step(
        self, data: tuple[tf.Tensor, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Computes the instance loss of (images, sample_ids).

        It changes no weights and does not augment the images. The loss tells
        each sample from all others by its row of the bank (equation 2). It
        leaves neighbours out, so that the losses of all rounds are comparable.
        """
        images, sample_ids = self.samples(data, training=False)
        embeddings = self(images, training=False)
        terms, _ = self.terms(embeddings, sample_ids, training=False)
        return self._logs(collectives.gather_together(*terms))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; see `KerasInterface`."""
        return {
            **super().get_config(),
            "neighbourhood_size": self.neighbours.shape[1],
            "memory_momentum": self.bank.momentum,
            "bank_initialiser": self.bank.initialiser,
            "shard_bank": self.shard_bank,
            "block_rows": self.block_rows,
            "negatives": self.negatives,
            "seed": self.bank.seed,
        }

    def fill_bank(self, images: Iterable[Any]) -> None:
        """Puts the encoder's present embeddings into the bank.

        Args:
            images: Batches (images, sample_ids), such as those of a
                `tf.data.Dataset`, that hold every sample once. If several
                processes train, each gives its own batches, which together
                hold every sample once.

        Raises:
            InputError: If a sample is missing, or a batch has another form.
        """
        rows = np.full(self.bank.rows.shape, np.nan, np.float32)
        batches = (images_and_numbers(batch, False) for batch in images)
        found, sample_ids = shared_embeddings(
            self, batches, ProcessGroup(self.distribute_strategy)
        )
        check_numbers(sample_ids, len(rows))
        rows[sample_ids] = found
        missing = int(np.isnan(rows).any(1).sum())
        if missing:
            raise InputError(
                f"Expected each of the {len(rows)} samples once in the images "
                f"that fill the memory bank. Received none of {missing}."
            )
        self.bank.fill(rows)

    def _logs(self, terms: tuple[tf.Tensor, ...]) -> dict[str, tf.Tensor]:
        """Updates the metrics with terms [B] each, and returns them."""
        for metric, values in zip(self.metrics, terms, strict=True):
            metric.update_state(values)
        return self.get_metrics_result()


def _check(num_examples: int, neighbourhood_size: int) -> None:
    """Raises an `InputError` for an impossible neighbourhood size."""
    whole = isinstance(neighbourhood_size, Integral)
    if not (whole and 1 <= neighbourhood_size < num_examples):
        raise InputError(
            f"Expected a neighbourhood size from 1 to {num_examples - 1}, one "
            f"less than the training images. Received: {neighbourhood_size}."
        )


def _check_negatives(negatives: int) -> None:
    """Raises an `InputError` for an impossible number of negatives."""
    if not (isinstance(negatives, Integral) and negatives >= 0):
        raise InputError(
            "Expected a whole number of negatives, 0 for all rows. Received: "
            f"{negatives}."
        )
