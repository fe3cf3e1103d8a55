"""Whitening of features, against scikit-learn's PCA."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from and_tf.encoders import whitening
from and_tf.encoders.whitening import fit_whitening
from and_tf.utils.errors import InputError


def features(count: int = 300) -> np.ndarray:
    """[count, 12], of variances that differ, far from the origin."""
    rng = np.random.default_rng(0)
    return (
        rng.normal(size=(count, 12)) @ rng.normal(size=(12, 12)) + 5
    ).astype(np.float32)


@pytest.mark.parametrize("power", [1.0, 0.0])
def test_is_that_of_scikit_learn(power, monkeypatch):
    monkeypatch.setattr(whitening, "_BLOCK_ROWS", 128)  # Two and a part.
    x = features()
    mean, projection = fit_whitening(x, 4, power)
    assert (mean.dtype, projection.dtype) == (np.float32, np.float32)
    found = (x - mean) @ projection
    reference = PCA(4, whiten=power == 1.0, svd_solver="full")
    expected = reference.fit_transform(x.astype(np.float64))
    # Directions may point either way.
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found * signs, expected, atol=2e-4)


def test_a_power_between_is_between():
    x = features()
    mean, projection = fit_whitening(x, 12, 0.5)
    variances = np.linalg.eigvalsh(np.cov(x.astype(np.float64).T))[::-1]
    found = ((x - mean) @ projection).var(axis=0, ddof=1)
    np.testing.assert_allclose(found, np.sqrt(variances), rtol=1e-3)


def test_components_without_variance_are_not_blown_up():
    """Five images vary in four directions; the others hold rounding errors."""
    x = features(5)
    mean, projection = fit_whitening(x, 12, 1.0)
    found = (x - mean) @ projection
    np.testing.assert_allclose(found[:, :4].std(axis=0, ddof=1), 1, rtol=1e-3)
    assert np.abs(found[:, 4:]).max() < 0.1


@pytest.mark.parametrize(
    ("x", "dim", "message"),
    [
        (features(), 13, "from 1 to 12.*Received: 13"),
        (features(1), 1, "2 or more images.*Received 1 images"),
        (features() * np.nan, 2, "finite features.*NaN"),
    ],
)
def test_refuses_what_cannot_be_whitened(x, dim, message):
    with pytest.raises(InputError, match=message):
        fit_whitening(x, dim, 1.0)
