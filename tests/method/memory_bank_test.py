"""Equation 8 and the bank's beginnings."""

from __future__ import annotations

import numpy as np
import pytest

from and_tf.method.memory_bank import MemoryBank
from and_tf.utils.errors import InputError
from tests.conftest import unit


def test_update_blends_and_normalises_the_rows_of_the_batch(rng):
    bank = MemoryBank(20, 4, momentum=0.3, seed=1)
    before = np.array(bank.rows)
    sample_ids = np.array([3, 19, 0])
    new = unit(rng.normal(size=(3, 4))).astype(np.float32)
    bank.update(new, sample_ids)
    expected = before.copy()
    expected[sample_ids] = unit(0.7 * before[sample_ids] + 0.3 * new)
    np.testing.assert_allclose(bank.rows, expected, atol=1e-6)


def test_initialisers():
    rows = np.array(MemoryBank(5000, 32, seed=2).rows)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert abs(rows.mean()) < 1e-3
    rows = np.array(MemoryBank(5000, 32, initialiser="uniform", seed=2).rows)
    limit = np.sqrt(3 / 32)
    assert limit * 0.999 < np.abs(rows).max() <= limit
    np.testing.assert_allclose((rows**2).sum(1).mean(), 1, rtol=0.01)


def test_seed_decides_the_beginning():
    first, again, other = (MemoryBank(9, 3, seed=s).rows for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (np.array(first) != np.array(other)).any()


def test_holds_no_trainable_weight():
    bank = MemoryBank(9, 3)
    assert not bank.trainable_variables
    assert [v.shape for v in bank.non_trainable_variables] == [(9, 3)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"initialiser": "zero"}, "unit, uniform. Received: 'zero'"),
        ({"momentum": 0.0}, r"\(0, 1\]. Received: 0.0"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(InputError, match=message):
        MemoryBank(4, 2, **arguments)
