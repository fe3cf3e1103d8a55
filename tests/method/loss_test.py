"""Equations 2, 3, 7 and the gradients (9)–(11), against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from and_tf.method.loss import log_partition
from and_tf.method.loss import losses as losses_of
from and_tf.method.memory_bank import blend
from tests.conftest import tensor_sizes, unit

STEPS = ("step_instance", "step_k1", "step_k5", "step_all_anchors")


def batch(rng, size=7, num_rows=50, dim=8, k=3):
    """A random step: embeddings, numbers, rows, neighbours, selected."""
    return (
        unit(rng.normal(size=(size, dim))).astype(np.float32),
        rng.permutation(num_rows)[:size],
        unit(rng.normal(size=(num_rows, dim))).astype(np.float32),
        rng.integers(0, num_rows, (num_rows, k)).astype(np.int32),
        rng.random(num_rows) < 0.5,
    )


def oracle(embeddings, sample_ids, rows, neighbours, is_anchor, temperature):
    """Losses and gradients in float64, straight from the equations."""
    losses, gradients = [], []
    rows = rows.astype(np.float64)
    for x, i in zip(embeddings.astype(np.float64), sample_ids, strict=True):
        p = np.exp(rows @ x / temperature)
        p /= p.sum()
        # A list: a neighbour that is found twice counts twice.
        members = [i, *neighbours[i]] if is_anchor[i] else [i]
        mass = p[members].sum()
        losses.append(-np.log(mass))
        tilde = p[members] / mass
        gradients.append((p @ rows - tilde @ rows[members]) / temperature)
    return np.array(losses), np.array(gradients)


# Below 0.03 the exponentials are shifted, from there on they are not.
@pytest.mark.parametrize("temperature", [0.02, 0.03, 0.1, 1.0])
@pytest.mark.parametrize("block_rows", [0, 7, 25, 50, 64])
def test_losses_and_closed_form_gradients(rng, temperature, block_rows):
    step = batch(rng)
    embeddings = tf.constant(step[0])
    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        losses = losses_of(embeddings, *step[1:], temperature, block_rows)
    expected, gradients = oracle(*step, temperature)
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        tape.gradient(losses, embeddings), gradients, rtol=1e-4, atol=1e-5
    )


def test_bank_is_a_constant(rng):
    step = batch(rng)
    rows = tf.Variable(step[2])
    with tf.GradientTape() as tape:
        loss = log_partition(tf.constant(step[0]), rows, 0.1)
    assert tape.gradient(loss, rows) is None


def test_does_not_underflow_where_a_softmax_does(rng):
    embeddings, sample_ids, rows, neighbours, is_anchor = batch(rng)
    rows[sample_ids] = -embeddings  # p_ii ~ exp(-2 / τ)
    is_anchor[:] = False
    losses = losses_of(
        embeddings, sample_ids, rows, neighbours, is_anchor, 0.002
    )
    similarity = rows.astype(np.float64) @ embeddings.astype(np.float64).T
    expected = (similarity.max(0) + 1.0) / 0.002  # nearly: the max dominates
    np.testing.assert_allclose(losses, expected, rtol=1e-2)


@pytest.mark.parametrize("jit", [False, True])
def test_same_compiled(rng, jit):
    step = batch(rng)
    compiled = tf.function(losses_of, jit_compile=jit)
    np.testing.assert_allclose(
        compiled(*map(tf.constant, step), 0.1, 16),
        losses_of(*step, 0.1),
        rtol=1e-5,
        atol=1e-5,
    )


def test_half_precision_embeddings_are_summed_in_float32(rng):
    step = batch(rng)
    low = tf.cast(step[0], tf.bfloat16)
    losses = losses_of(low, *step[1:], 0.1)
    assert losses.dtype == tf.float32
    expected, _ = oracle(tf.cast(low, tf.float32).numpy(), *step[1:], 0.1)
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=1e-5)


def test_memory_of_a_block_is_flat_in_the_bank(rng):
    """No tensor of the compiled step holds a batch's similarities to all."""
    rows, size, block = 4096, 16, 128
    function = tf.function(log_partition).get_concrete_function(
        tf.TensorSpec([size, 8]), tf.TensorSpec([rows, 8]), 0.1, block
    )
    sizes = tensor_sizes(function)
    assert size * block in sizes
    # And the bank itself, which is an argument.
    assert max(n for n in sizes if n != rows * 8) <= size * block


@pytest.mark.parametrize("name", STEPS)
def test_reproduces_the_authors_step(golden, name):
    g = golden(name)
    num_rows, k = len(g["memory_before"]), g["neighbours_of_anchors"].shape[1]
    neighbours = np.zeros((num_rows, k), np.int32)
    is_anchor = np.zeros(num_rows, bool)
    neighbours[g["anchors"]] = g["neighbours_of_anchors"]
    is_anchor[g["anchors"]] = True
    features = tf.constant(g["features"])
    with tf.GradientTape() as tape:
        tape.watch(features)
        loss = tf.reduce_mean(
            losses_of(
                features,
                g["index"],
                g["memory_before"],
                neighbours,
                is_anchor,
                float(g["temperature"]),
            )
        )
    np.testing.assert_allclose(loss, np.squeeze(g["loss"]), atol=1e-5)
    np.testing.assert_allclose(
        tape.gradient(loss, features), g["grad_features"], atol=1e-5
    )
    after = g["memory_before"].copy()
    after[g["index"]] = blend(
        after[g["index"]], g["features"], 1.0 - float(g["momentum"])
    )
    np.testing.assert_allclose(after, g["memory_after"], atol=1e-5)
