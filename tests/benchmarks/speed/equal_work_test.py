"""What is compared computes what it says, held against NumPy and Pillow."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import registry
from benchmarks.harness.comparison import Comparison
from benchmarks.speed import (
    knn,
    loss,
    pillow_views,
    refresh,
    sides,
    training_step,
    views,
)


def largest_difference(expected, found, tolerance: float) -> float:
    comparison = Comparison("", "", "", "s", (), (), tolerance=tolerance)
    return comparison.difference(expected, found)


@pytest.fixture(autouse=True)
def threads_as_they_are(monkeypatch):
    """TensorFlow runs here already, so that its threads cannot be changed."""
    monkeypatch.setattr(sides, "start_tensorflow", lambda threads: None)


def quick(comparison) -> dict:
    return dict(comparison.quick[0].arguments)


@pytest.mark.parametrize("side", [loss.ours, loss.plain_tensorflow])
def test_loss_and_gradient_are_those_of_the_softmax(side):
    arguments = quick(loss.SPEED)
    x, numbers, rows = loss.draw(arguments["n"], arguments["batch"])
    logits = x.astype(np.float64) @ rows.T / loss.TEMPERATURE
    p = np.exp(logits)
    p /= p.sum(1, keepdims=True)
    own = np.arange(len(x)), numbers
    expected = {"loss": -np.log(p[own]).mean()}
    p[own] -= 1
    expected["gradient"] = p @ rows / loss.TEMPERATURE / len(x)
    found = side(2, **arguments).answer()
    assert largest_difference(expected, found, 1e-5) >= 0


def test_the_two_products_are_the_same_in_blocks():
    arguments = quick(loss.SPEED)
    x, _, rows = loss.draw(arguments["n"], arguments["batch"])
    for block in (0, 64):
        found = loss.gemm(2, **arguments, block=block).answer()
        expected = {"products": x @ rows.T @ rows}
        assert largest_difference(expected, found, 1e-5) >= 0


def test_refresh_is_an_exhaustive_search():
    arguments = quick(refresh.SPEED)
    rows = sides.unit_rows(arguments["n"], refresh.DIM)
    similarity = rows @ rows.T
    np.fill_diagonal(similarity, -1)
    index = np.argsort(-similarity, 1)[:, : arguments["k"]]
    expected = {
        "index": index.astype(np.int32),
        "similarity": np.take_along_axis(similarity, index, 1),
    }
    found = refresh.ours(2, **arguments).answer()
    assert largest_difference(expected, found, 1e-5) >= 0


def test_knn_counts_votes():
    arguments = quick(knn.COMPARISON)
    asked, truth, rows, labels = knn.draw(
        arguments["queries"], arguments["gallery"]
    )
    similarity = asked @ rows.T
    expected = []
    for one in similarity:
        nearest = np.argsort(-one)[: arguments["k"]]
        weights = np.exp(one[nearest] / knn.TEMPERATURE)
        votes = np.bincount(labels[nearest], weights, knn.CLASSES)
        expected.append(votes.argmax())
    found = knn.ours(2, **arguments).answer()["predictions"]
    np.testing.assert_array_equal(found, expected)
    # The classes are there to be found, and are not too easy to find.
    assert 0.1 < (found == truth).mean() <= 1


def test_pillows_views_are_ours():
    found = views.ours(2, count=64).answer()
    images, uniforms = views.draw(64)
    theirs = pillow_views.pillow_views(images, uniforms).astype(np.float32)
    tolerance = views.PAPER.tolerance
    apart = largest_difference(found, {"views": theirs}, tolerance)
    # Other crops or colours would lie much farther apart.
    other = pillow_views.pillow_views(images, uniforms[::-1])
    other = {"views": other.astype(np.float32)}
    assert apart < 0.2 * largest_difference(found, other, 10)


def test_a_training_step_starts_from_given_weights_and_moves_the_bank():
    arguments = quick(training_step.SMALL)
    network = {"backbone": "small", "width": 0.25}
    first, again = (
        training_step.ours(2, **arguments, **network).answer() for _ in "ab"
    )
    assert largest_difference(first, again, 1e-6) >= 0
    n, batch, size = (arguments[name] for name in ("n", "batch", "size"))
    _, numbers, rows = training_step.draw(n, batch, size)
    # At the beginning all rows are as likely, more or less.
    assert abs(first["losses"][0] - np.log(n)) < 2
    assert np.abs(first["rows"] - rows[numbers]).max() > 0.01
    np.testing.assert_allclose(
        np.linalg.norm(first["rows"], axis=1), 1, rtol=1e-5
    )


def test_weights_follow_from_their_name():
    one, same, other = (
        sides.weights(name, (3, 3, 4, 8)) for name in ("a", "a", "b")
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).all()
    assert 0.9 < np.abs(one).max() * 6 <= 1  # fan in: 3 · 3 · 4


def test_registry():
    assert len(registry.BY_NAME) == len(registry.COMPARISONS)
    for comparison in registry.COMPARISONS:
        assert comparison.cases and comparison.quick
        names = [side.name for side in comparison.sides]
        assert len({*names}) == len(names)
        for side in comparison.sides[1:]:
            assert side.alike or side.note, "What does it not do?"
        for case in (*comparison.cases, *comparison.quick):
            if case.target:
                wanted = {*case.target.beside, case.target.of} - {""}
                assert wanted <= {*names}
