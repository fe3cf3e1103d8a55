"""Rounds that search in rows that they are given, and not in the bank."""

from __future__ import annotations

import contextlib

import keras
import numpy as np
import pytest

import and_tf
from and_tf.utils.errors import InputError
from tests.conftest import unit
from tests.method.model_test import mlp

NUM, DIM, K, TAU = 40, 7, 3, 0.2  # The bank has another number of dimensions.


def rows() -> np.ndarray:
    return unit(np.random.default_rng(2).normal(size=(NUM, DIM)))


def fit(initial_epochs=1, found=None, **options) -> and_tf.AND:
    keras.utils.set_random_seed(1)
    model = and_tf.AND(
        mlp(5, 6, 4), NUM, neighbourhood_size=K, temperature=TAU, seed=1
    )
    model.compile(keras.optimizers.SGD(0.1))
    x = np.random.default_rng(0).normal(size=(NUM, 5)).astype(np.float32)
    model.fit(
        x,
        np.arange(NUM),
        epochs=initial_epochs + 2,
        callbacks=[
            and_tf.Curriculum(
                2,
                1,
                initial_epochs,
                on_discovery=None if found is None else found.append,
                **{"rows": rows(), **options},
            )
        ],
        verbose=0,
    )
    return model


@pytest.mark.parametrize("initial_epochs", [0, 1])
def test_rounds_are_those_of_the_rows(initial_epochs):
    """Neighbours, entropies and anchors; without images at the start."""
    found: list = []
    model = fit(initial_epochs, found)
    similarity = rows() @ rows().T
    p = np.exp(similarity / TAU)
    p /= p.sum(1, keepdims=True)
    entropy = -(p * np.log(p)).sum(1)
    np.fill_diagonal(similarity, -np.inf)
    nearest = np.argsort(-similarity, axis=1)[:, :K]
    for number, one in enumerate(found, 1):
        assert one.round == number
        np.testing.assert_array_equal(one.neighbours, nearest)
        np.testing.assert_allclose(one.entropy, entropy, atol=1e-5)
        surest = np.sort(np.argsort(entropy)[: NUM * number // 2])
        np.testing.assert_array_equal(np.flatnonzero(one.is_anchor), surest)
    assert len(found) == 2
    np.testing.assert_array_equal(model.neighbours, nearest)


@pytest.mark.parametrize("search_probes", [0, 2])
def test_each_search_shows_its_progress(search_probes):
    done: list[int] = []

    class Shown(contextlib.nullcontext):
        def __enter__(self):
            return self

        def advance(self, count):
            done[-1] += count

    def progress(total):
        assert total == NUM
        done.append(0)
        return Shown()

    fit(progress=progress, search_probes=search_probes)
    assert done == [NUM, NUM]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (rows()[:-1], "one of the `rows` for each of the 40.*: 39"),
        (rows()[0], r"an array \[N, D\] of finite.*\[7\]"),
        (rows() * np.nan, r"an array \[N, D\] of finite"),
        (np.array([["a"]]), r"an array \[N, D\] of finite"),
    ],
)
def test_refuses_rows_that_are_none(given, message):
    with pytest.raises(InputError, match=message):
        fit(rows=given)
