"""The self-labelling objective: the authors' values, and its edges."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from and_tf.scan.losses import self_label_loss


@pytest.mark.parametrize("threshold", [0.5, 0.99])
@pytest.mark.parametrize("balanced", [0, 1])
def test_reproduces_the_authors_values(golden, threshold, balanced):
    g = golden("scan")
    found = self_label_loss(
        g["weak_logits"], g["strong_logits"], threshold, bool(balanced)
    )
    expected = g[f"selflabel_t{threshold}_balanced{balanced}"]
    np.testing.assert_allclose(found.share, expected, atol=1e-5)


def test_without_a_confident_sample_nothing_moves(rng):
    weak, strong = tf.constant(rng.normal(size=(2, 6, 3)) / 9, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(strong)
        found = self_label_loss(weak, strong, 0.99)
    assert (float(found.share), float(found.confident)) == (0, 0)
    assert not tape.gradient(found.share, strong).numpy().any()


def test_balance_counts_clusters_alike():
    """Three sure samples of cluster 0, one of cluster 1, one unsure."""
    weak = 20 * np.eye(3, dtype=np.float32)[[0, 0, 0, 1, 2]]
    weak[4] = 0
    strong = np.log([[0.5, 0.3, 0.2]] * 5).astype(np.float32)
    zero, one = -np.log(0.5), -np.log(0.3)
    even = self_label_loss(weak, strong, 0.9, balanced=True)
    plain = self_label_loss(weak, strong, 0.9, balanced=False)
    np.testing.assert_allclose(even.share, (zero + one) / 2, rtol=1e-5)
    np.testing.assert_allclose(plain.share, (3 * zero + one) / 4, rtol=1e-5)
    np.testing.assert_allclose(even.confident, 0.8)


def test_weak_views_are_no_part_of_what_is_learnt(rng):
    weak, strong = tf.constant(9 * rng.normal(size=(2, 6, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(weak)
        found = self_label_loss(weak, strong, 0.5)
    assert tape.gradient(found.share, weak) is None
