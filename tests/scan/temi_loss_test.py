"""TEMI's loss, by hand in NumPy, and the heads that it chooses."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from and_tf.scan import validation
from and_tf.scan.temi_loss import temi_loss


def expected(a, b, beta):
    """The loss of each head [H], and its gradient by the logits of a."""
    p, q = softmax(a, -1), softmax(b, -1)  # [b, H, C]
    marginal = (p.mean(0) + q.mean(0)) / 2
    weights = (p * q).sum(-1).mean(1, keepdims=True)  # [b, 1]
    terms = (p * q) ** beta / marginal
    losses = -(weights * np.log(terms.sum(-1))).mean(0)
    # Weights and marginal are constants: ∂ log Σ_c (p_c q_c)^β / m_c by a_c is
    # β (r_c − p_c), where r is the share of c in the sum.
    shares = terms / terms.sum(-1, keepdims=True)
    return losses, -weights[..., None] * beta * (shares - p) / len(a)


@pytest.mark.parametrize("beta", [0.6, 1.0])
def test_is_the_equation_with_its_gradient(rng, beta):
    a, b = 3 * rng.normal(size=(2, 9, 3, 5))
    inputs = [tf.constant(x, tf.float32) for x in (a, b)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        found = temi_loss(*inputs, beta)
        total = tf.reduce_sum(found.share)
    losses, gradient = expected(a, b, beta)
    np.testing.assert_allclose(found.share, losses, atol=1e-5)
    received = tape.gradient(total, inputs)
    np.testing.assert_allclose(received[0], gradient, atol=1e-6)
    # It is the same for the neighbour.
    _, gradient = expected(b, a, beta)
    np.testing.assert_allclose(received[1], gradient, atol=1e-6)


def test_at_its_least_it_is_the_closed_form():
    """Certain predictions of even clusters: each pair has log C."""
    sure = 50 * np.eye(4, dtype=np.float32)[np.arange(8) % 4][:, None]
    found = temi_loss(tf.constant(sure), tf.constant(sure), 0.6)
    np.testing.assert_allclose(found.share, [-np.log(4)], rtol=1e-5)
    np.testing.assert_allclose(found.entropy, [np.log(4)], rtol=1e-5)


def test_survives_certainty_and_a_cluster_without_images():
    anchors = 500 * tf.eye(3)[:2, None]
    neighbours = 500 * tf.eye(3)[1::-1][:, None]
    with tf.GradientTape() as tape:
        tape.watch(anchors)
        found = tf.reduce_sum(temi_loss(anchors, neighbours, 0.6).share)
    assert np.isfinite(found)
    assert np.isfinite(tape.gradient(found, anchors)).all()


@pytest.mark.parametrize("k", [3, 8])
def test_it_chooses_over_no_more_than_five_neighbours(rng, k):
    logits = rng.normal(size=(20, 3, 4)).astype(np.float32)
    neighbours = rng.integers(0, 20, (20, k))
    found = validation.assess(tf.constant(logits), neighbours, beta=0.7)
    pairs = neighbours[:, :5].T
    by_hand = np.mean([expected(logits, logits[o], 0.7)[0] for o in pairs], 0)
    np.testing.assert_allclose(found.losses, by_hand, atol=1e-5)
    assert found.head == by_hand.argmin()
