"""The objective over shards, against the whole bank and against NumPy."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from and_tf.method import loss, sharded_loss
from and_tf.method.shards import Shards
from and_tf.utils.errors import InputError
from tests.conftest import tensor_sizes
from tests.method.loss_test import batch, oracle
from tests.on_replicas import on_replicas

# Sizes of a batch that do not divide by the replicas; of a bank neither, and
# one of fewer rows than replicas; a replica without an image.
CASES = {
    "one_neighbour": {"k": 1},
    "five_neighbours": {"k": 5},
    "short_blocks": {"block_rows": 6},
    "blocks_that_fit": {"num_rows": 48, "block_rows": 8},
    "other_norms": {"norms": (0.1, 1.7)},
    "few_rows": {"num_rows": 3, "size": 3, "k": 2, "norms": (0.5, 1.0)},
    "far_apart": {"temperature": 0.0025, "opposite": True},
    "warm": {"temperature": 1.0},
}


def case(
    name: str,
) -> tuple[tuple[np.ndarray, ...], float, int]:
    """A step as `objective_test.batch` has it, τ and block_rows."""
    options = dict(CASES[name])
    rng = np.random.default_rng(3)
    norms = options.pop("norms", None)
    opposite = options.pop("opposite", False)
    rest = options.pop("temperature", 0.1), options.pop("block_rows", 0)
    step = list(batch(rng, **options))
    if norms:
        step[2] *= rng.uniform(*norms, (len(step[2]), 1)).astype(np.float32)
    if opposite:  # p_ii ~ exp(-2 / τ).
        step[2][step[1]] = -step[0]
        step[4][:] = False
    return tuple(step), *rest


def steps(
    strategy: tf.distribute.Strategy, directory: pathlib.Path
) -> dict[str, np.ndarray]:
    """Losses and gradients of all cases; sizes of what a step holds."""
    del directory
    results = {}
    for name in CASES:
        (embeddings, sample_ids, rows, *others), *rest = case(name)
        losses, gradients = sharded_step(
            strategy, embeddings, sample_ids, rows, others, *rest
        )(False)
        for key, value in (("losses", losses), ("gradients", gradients)):
            parts = strategy.experimental_local_results(value)
            results[f"{name}/{key}"] = np.concatenate(parts)
    step = batch(np.random.default_rng(0), size=16, num_rows=4096, k=1)
    traced = sharded_step(strategy, *step[:3], step[3:], 0.1, 128)(True)
    results["sizes"] = np.unique(tensor_sizes(traced))
    return results


def sharded_step(
    strategy, embeddings, sample_ids, rows, others, temperature, block_rows
):
    """A function of a batch that is spread over the replicas.

    It returns their results, or, called with True, itself as traced.
    """
    count = strategy.num_replicas_in_sync
    shards = Shards(len(rows), count)

    def spread(parts):
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(parts[context.replica_id_in_sync_group])
        )

    whole = tf.constant(embeddings), tf.constant(sample_ids)
    arguments = (
        spread(np.array_split(embeddings, count)),
        spread([shards.split(rows, replica) for replica in range(count)]),
    )

    def step(own, shard):
        with tf.GradientTape() as tape:
            tape.watch(own)
            losses = sharded_loss.losses(
                own, *whole, shard, shards, *others, temperature, block_rows
            )
        return losses, tape.gradient(losses, own)

    @tf.function(autograph=False)
    def run(own, shard):
        return strategy.run(step, (own, shard))

    return lambda traced: (
        run.get_concrete_function(*arguments) if traced else run(*arguments)
    )


@pytest.fixture(scope="module", params=[2, 4])
def spread(request, tmp_path_factory):
    """How many replicas, and what they found."""
    path = tmp_path_factory.mktemp("replicas")
    return request.param, on_replicas(steps, request.param, path)


def test_losses_and_gradients_are_those_of_the_equations(spread):
    for name in CASES:
        step, temperature, _ = case(name)
        if name == "far_apart":  # Beyond float32's digits: see below.
            continue
        losses, gradients = oracle(*step, temperature)
        np.testing.assert_allclose(
            spread[1][f"{name}/losses"], losses, rtol=1e-5, atol=1e-5
        )
        np.testing.assert_allclose(
            spread[1][f"{name}/gradients"], gradients, rtol=1e-4, atol=1e-5
        )


def test_losses_and_gradients_are_those_of_a_whole_bank(spread):
    for name in CASES:
        (embeddings, *step), temperature, block_rows = case(name)
        embeddings = tf.constant(embeddings)
        with tf.GradientTape() as tape:
            tape.watch(embeddings)
            losses = loss.losses(embeddings, *step, temperature, block_rows)
        gradients = tape.gradient(losses, embeddings)
        np.testing.assert_allclose(
            spread[1][f"{name}/losses"], losses, rtol=1e-6, atol=1e-5
        )
        # Relative to 1/τ, by which a gradient is multiplied.
        np.testing.assert_allclose(
            temperature * spread[1][f"{name}/gradients"],
            temperature * gradients,
            rtol=1e-5,
            atol=1e-5 if name != "far_apart" else 1e-3,
        )


def test_memory_of_a_step_is_flat_in_the_bank(spread):
    """Blocks are shorter as batches are larger; nothing is [B, N/R]."""
    replicas, results = spread
    size, dim, num_rows, block = 16, 8, 4096, 128
    of_the_bank = {num_rows, num_rows // replicas * dim}
    sizes = set(results["sizes"].tolist()) - of_the_bank
    assert max(sizes) <= size * block // replicas


def test_one_replica_has_all_rows(rng):
    embeddings, sample_ids, rows, *others = batch(rng)
    np.testing.assert_allclose(
        sharded_loss.losses(
            tf.constant(embeddings), tf.constant(embeddings),
            tf.constant(sample_ids), tf.constant(rows), Shards(50, 1), *others,
            0.1,
        ),
        loss.losses(embeddings, sample_ids, rows, *others, 0.1),
        atol=1e-5,
    )  # fmt: skip


def test_refuses_what_float64_cannot_hold(rng):
    embeddings, sample_ids, rows, *others = batch(rng)
    with pytest.raises(InputError, match="at least 0.0025.*Received: 0.002"):
        sharded_loss.losses(
            embeddings,
            embeddings,
            sample_ids,
            rows,
            Shards(50, 1),
            *others,
            0.002,
        )
