"""The losses of anchors, against their formulas."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import and_tf
from benchmarks.neighbours.model import OtherPullAND
from tests.conftest import unit
from tests.method.model_test import mlp

NUM, DIM, K, TAU = 30, 4, 3, 0.2
IDS = np.arange(0, NUM, 2)


def terms(model, embeddings, training=True):
    (found,), _ = model.terms(
        tf.constant(embeddings), tf.constant(IDS), training=training
    )
    return found.numpy()


@pytest.mark.parametrize("negatives", [0, 12])
def test_losses_of_anchors(rng, negatives):
    options = dict(
        neighbourhood_size=K, temperature=TAU, negatives=negatives, seed=1
    )
    models = [made(mlp(5, 6, DIM), NUM, **options)
              for made in (and_tf.AND, OtherPullAND)]  # fmt: skip
    rows = unit(rng.normal(size=(NUM, DIM))).astype(np.float32)
    neighbours = (np.arange(NUM)[:, None] + [1, 2, 5]) % NUM
    is_anchor = np.arange(NUM) % 4 == 0
    for model in models:
        model.compile(keras.optimizers.SGD(0.1))
        model.bank.fill(rows)
        model.neighbours.assign(neighbours)
        model.is_anchor.assign(is_anchor)
    plain, other = models
    embeddings = unit(rng.normal(size=(len(IDS), DIM))).astype(np.float32)
    usual = terms(plain, embeddings)
    np.testing.assert_allclose(terms(other, embeddings), usual, atol=1e-5)

    logits = embeddings @ rows.T / TAU
    own = logits[np.arange(len(IDS)), IDS]
    theirs = np.take_along_axis(logits, neighbours[IDS], 1)
    anchor = is_anchor[IDS]
    mass = np.log(np.exp(own) + np.exp(theirs).sum(axis=1))
    # With drawn rows, the loss has an estimate of Z.
    z = np.exp(usual + np.where(anchor, mass, own))
    if not negatives:
        np.testing.assert_allclose(z, np.exp(logits).sum(1), rtol=1e-5)
    other.halves.assign(1.0)
    halves = np.log(z) - np.where(anchor, (own + theirs.mean(1)) / 2, own)
    np.testing.assert_allclose(terms(other, embeddings), halves, atol=1e-5)

    other.halves.assign(0.0)
    other.spared.assign(1.0)
    left = z - np.where(anchor, np.exp(theirs).sum(1), 0.0)
    np.testing.assert_allclose(
        terms(other, embeddings), np.log(left) - own, atol=1e-5
    )
    # An evaluation tells samples apart, in both.
    np.testing.assert_allclose(
        terms(other, embeddings, False), terms(plain, embeddings, False),
        atol=1e-5,
    )  # fmt: skip
