"""Validation losses by hand, and clusters that collapse."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from and_tf.scan import validation
from and_tf.scan.validation import Assessment


@pytest.mark.parametrize("k", [3, 8])
def test_losses_are_those_of_all_pairs(rng, k):
    """Of an image with itself and with no more than five neighbours."""
    logits = rng.normal(size=(20, 3, 4)).astype(np.float32)
    neighbours = rng.integers(0, 20, (20, k))
    received = validation.validation_losses(tf.constant(logits), neighbours)
    pairs = np.concatenate([np.arange(20)[:, None], neighbours[:, :5]], 1)
    for head in range(3):
        p = softmax(logits[:, head], axis=1)
        products = np.einsum("mc,mkc->mk", p, p[pairs])
        mean = p.mean(0)
        expected = -np.log(products).mean() + (mean * np.log(mean)).sum()
        np.testing.assert_allclose(received[head], expected, atol=1e-5)


def of_sizes(*sizes) -> Assessment:
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    return Assessment(np.zeros(1), 0, np.eye(len(sizes))[clusters])


@pytest.mark.parametrize(
    ("sizes", "collapsed"),
    [((5, 5, 5, 5), False), ((9, 1, 0, 0), True), ((7, 1, 1, 1), True),
     ((6, 4, 4, 0), False), ((9, 1), False), ((10, 0), True)],
)  # fmt: skip
def test_collapse_is_noticed(sizes, collapsed):
    assert of_sizes(*sizes).collapsed == collapsed


def test_collapse_is_said_when_it_comes(capsys):
    states = iter([(5, 5, 5, 5), (9, 1, 0, 0), (9, 1, 0, 0), (5, 5, 5, 5)])
    callback = validation.Validation(
        lambda: of_sizes(*next(states)), lambda _: None
    )
    for epoch in range(4):
        logs = {}
        callback.on_epoch_end(epoch, logs)
    printed = capsys.readouterr().out
    assert printed.count("after epoch") == 1
    assert "after epoch 2, 2 of 4 clusters" in printed
    assert "--entropy_weight" in printed
    assert logs["clusters_used"] == 4 and "acc" not in logs
