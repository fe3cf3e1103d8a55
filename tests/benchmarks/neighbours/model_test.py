"""The loss with equal halves, against its formula."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import and_tf
from benchmarks.neighbours.model import HalvedAND
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
def test_anchors_and_their_neighbours_have_a_half_each(rng, negatives):
    options = dict(
        neighbourhood_size=K, temperature=TAU, negatives=negatives, seed=1
    )
    models = [made(mlp(5, 6, DIM), NUM, **options)
              for made in (and_tf.AND, HalvedAND)]  # fmt: skip
    rows = unit(rng.normal(size=(NUM, DIM))).astype(np.float32)
    neighbours = (np.arange(NUM)[:, None] + [1, 2, 5]) % NUM
    is_anchor = np.arange(NUM) % 4 == 0
    for model in models:
        model.compile(keras.optimizers.SGD(0.1))
        model.bank.fill(rows)
        model.neighbours.assign(neighbours)
        model.is_anchor.assign(is_anchor)
    plain, halved = models
    embeddings = unit(rng.normal(size=(len(IDS), DIM))).astype(np.float32)
    usual = terms(plain, embeddings)
    np.testing.assert_allclose(terms(halved, embeddings), usual, atol=1e-5)

    halved.halves.assign(1.0)
    found = terms(halved, embeddings)
    logits = embeddings @ rows.T / TAU
    own = logits[np.arange(len(IDS)), IDS]
    theirs = np.take_along_axis(logits, neighbours[IDS], 1)
    mass = np.log(np.exp(own) + np.exp(theirs).sum(axis=1))
    more = np.where(is_anchor[IDS], mass - (own + theirs.mean(1)) / 2, 0.0)
    np.testing.assert_allclose(found, usual + more, atol=1e-5)
    if not negatives:
        log_z = np.log(np.exp(logits).sum(axis=1))
        wanted = log_z - np.where(
            is_anchor[IDS], (own + theirs.mean(axis=1)) / 2, own
        )
        np.testing.assert_allclose(found, wanted, atol=1e-5)
    # An evaluation tells samples apart, in both.
    np.testing.assert_allclose(
        terms(halved, embeddings, False), terms(plain, embeddings, False),
        atol=1e-5,
    )  # fmt: skip
