"""Whitening, against covariances in NumPy and scikit-learn's PCA."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from and_tf.encoders.whitening import fit_whitening
from and_tf.utils.errors import InputError

N, F = 5000, 6  # More rows than a block has.


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    """[N, F], correlated, of variances that differ, far from the origin."""
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(N, F)) @ rng.normal(size=(F, F))
    return (mixed + 9).astype(np.float32)


@pytest.mark.parametrize("power", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("dim", [2, F])
def test_covariance_is_diagonal(features, power, dim):
    mean, projection = fit_whitening(features, dim, power)
    assert (mean.dtype, projection.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(mean, features.mean(0, np.float64), rtol=1e-6)
    x = features.astype(np.float64)
    found = np.cov(((x - mean) @ projection).T)
    variances = np.linalg.eigvalsh(np.cov(x.T))[::-1][:dim]
    expected = np.diag(variances ** (1 - power))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    # An eigenvector may point either way: its numbers have a positive sum.
    assert (projection.sum(axis=0) > 0).all()


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_is_the_pca_of_scikit_learn(features, power):
    mean, projection = fit_whitening(features, 4, power)
    pca = PCA(4, whiten=power == 1, svd_solver="full")
    expected = pca.fit_transform(features.astype(np.float64))
    found = (features - mean) @ projection
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found * signs, expected, atol=2e-3)


def test_components_beyond_the_number_of_images_are_zero(features):
    few = features[:4]
    mean, projection = fit_whitening(few, F, 1.0)
    found = (few - mean) @ projection
    np.testing.assert_allclose(
        np.cov(found.T), np.diag([1, 1, 1, 0, 0, 0]), atol=1e-3
    )
    assert not projection[:, 3:].any()  # Other images do not vary there too.
    same = np.repeat(few[:1], 9, axis=0)
    assert not fit_whitening(same, 2, 0.5)[1].any()


@pytest.mark.parametrize(
    ("change", "dim", "words"),
    [
        (lambda x: x, 7, "from 1 to 6, the number of feat.*Received: 7"),
        (lambda x: x[:1], 2, "2 or more images.* Received 1 images"),
        (lambda x: np.where(x > 20, np.nan, x), 2, "with NaN or infinite"),
    ],
)
def test_refuses(features, change, dim, words):
    with pytest.raises(InputError, match=words):
        fit_whitening(change(features), dim)
