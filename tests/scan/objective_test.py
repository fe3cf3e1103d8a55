"""SCAN's objective: the authors' values, and what it must be by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax

from and_tf.scan.losses import scan_loss
from and_tf.scan.temi_loss import temi_loss
from tests.on_replicas import on_replicas


def with_gradients(anchors, neighbours, weight):
    """Loss, its parts and its gradients by both arguments."""
    inputs = [tf.constant(x, tf.float32) for x in (anchors, neighbours)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        found = scan_loss(*inputs, weight)
        total = tf.reduce_sum(found.share)
    return found, [g.numpy() for g in tape.gradient(total, inputs)]


@pytest.mark.parametrize("weight", [2, 5])
def test_reproduces_the_authors_values(golden, weight):
    g = golden("scan")
    found, gradients = with_gradients(
        g["anchor_logits"][:, None], g["neighbour_logits"][:, None], weight
    )
    for key, value in (
        ("total", found.share[0]),
        ("consistency", tf.reduce_mean(found.consistency)),
        ("entropy", found.entropy[0]),
        ("grad_anchor", gradients[0][:, 0]),
        ("grad_neighbour", gradients[1][:, 0]),
    ):
        np.testing.assert_allclose(
            value, g[f"scan_w{weight}_{key}"], atol=1e-5, err_msg=key
        )


def test_gradient_is_the_closed_form(rng):
    """Λ = −1/b Σ_i log s_i + λ Σ_c m_c log m_c, of anchors' logits a.

    ∂Λ/∂a_ic = −1/b (r_ic − p_ic)
               + λ/b · p_ic (log m_c − Σ_d p_id log m_d),

    with s_i = ⟨p_i, q_i⟩, r_ic = p_ic q_ic / s_i and m the mean of p.
    """
    anchors, neighbours = rng.normal(size=(2, 7, 4)) * 3
    _, (received, _) = with_gradients(
        anchors[:, None], neighbours[:, None], 2.5
    )
    p, q = softmax(anchors, 1), softmax(neighbours, 1)
    r = p * q / (p * q).sum(1, keepdims=True)
    logs = np.log(p.mean(0))
    expected = -(r - p) / 7
    expected += 2.5 / 7 * p * (logs - (p @ logs)[:, None])
    np.testing.assert_allclose(received[:, 0], expected, atol=1e-6)


def test_heads_do_not_see_each_other(rng):
    anchors, neighbours = rng.normal(size=(2, 9, 3, 5))
    together, gradients = with_gradients(anchors, neighbours, 5)
    for head in range(3):
        part = slice(head, head + 1)
        alone, own = with_gradients(anchors[:, part], neighbours[:, part], 5)
        np.testing.assert_allclose(together.share[head], alone.share[0], 1e-5)
        np.testing.assert_allclose(gradients[0][:, part], own[0], atol=1e-6)


def test_is_least_where_neighbours_agree_and_clusters_are_even():
    sure = 40 * np.eye(4)[np.arange(8) % 4][:, None]
    found, _ = with_gradients(sure, sure, 5)
    np.testing.assert_allclose(found.share, [-5 * np.log(4)], atol=1e-5)


def test_survives_certainty(rng):
    """Where the product of two probabilities is no number of float32."""
    anchors = 500 * np.eye(3)[[0, 0, 1]][:, None]
    neighbours = 500 * np.eye(3)[[1, 2, 0]][:, None]
    found, gradients = with_gradients(anchors, neighbours, 5)
    expected = -np.logaddexp.reduce(
        log_softmax(anchors, -1) + log_softmax(neighbours, -1), -1
    )
    np.testing.assert_allclose(found.consistency, expected, rtol=1e-6)
    assert np.isfinite(gradients).all()
    assert np.abs(gradients[1]).max() > 0.1


def logits(count: int = 12) -> np.ndarray:
    """float32 [2, count, 2, 5], of anchors and neighbours."""
    rng = np.random.default_rng(3)
    return 2 * rng.normal(size=(2, count, 2, 5)).astype(np.float32)


def loss_and_gradients(strategy, directory):
    """Of a matrix that all replicas have, on uneven parts of a batch."""
    images = logits()
    bounds = [0, 7, 12] if strategy.num_replicas_in_sync == 2 else [0, 12]
    with strategy.scope():
        matrix = tf.Variable(tf.eye(5))

    @tf.function
    def own(part):
        with tf.GradientTape() as tape:
            pair = tf.unstack(tf.matmul(part, matrix))
            found = scan_loss(*pair, 5.0)
            others = temi_loss(*pair, 0.6).share
            # Weighted, so that neither hides a mistake of the other.
            total = tf.reduce_sum(found.share) + 3.0 * tf.reduce_sum(others)
        context = tf.distribute.get_replica_context()
        return context.all_reduce(
            "SUM", [total, tape.gradient(total, matrix)]
        ), found.entropy

    def part(context):
        i = context.replica_id_in_sync_group
        return tf.constant(images[:, bounds[i] : bounds[i + 1]])

    parts = strategy.experimental_distribute_values_from_function(part)
    results = strategy.run(own, (parts,))
    local = strategy.experimental_local_results
    (total, gradient), entropy = results
    return {
        "total": local(total)[0],
        "gradient": local(gradient)[0],
        "entropy": local(entropy)[0],
    }


def test_is_that_of_the_global_batch(tmp_path):
    """The mean over clusters is not one of a replica's own images."""
    received = on_replicas(loss_and_gradients, 2, tmp_path)
    expected = loss_and_gradients(tf.distribute.get_strategy(), None)
    for name, value in expected.items():
        np.testing.assert_allclose(
            received[name], value, atol=1e-5, err_msg=name
        )
