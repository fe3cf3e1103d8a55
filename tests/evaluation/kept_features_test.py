"""Features of an earlier pass, and what makes them others."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from and_tf.data.split import Split, in_memory
from and_tf.evaluation import kept_features

DESCRIPTION = {"name": "tiny", "image_size": 8}


@pytest.fixture
def trunk() -> keras.Model:
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(images)
    return keras.Model(images, keras.layers.Dense(4)(pooled))


@pytest.fixture
def split(rng) -> Split:
    return _of(rng.integers(0, 256, (20, 8, 8, 3)).astype(np.uint8))


def _of(images: np.ndarray) -> Split:
    return in_memory("tiny", images, None)


@pytest.fixture
def passes(tmp_path, monkeypatch) -> list[int]:
    """The sizes of the splits that were passed over."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(kept_features, "LEAST_BYTES", 0)
    made, embed = [], kept_features.embed

    def counted(model, split, *more):
        made.append(split.size)
        return embed(model, split, *more)

    monkeypatch.setattr(kept_features, "embed", counted)
    return made


def test_a_second_pass_is_not_made(trunk, split, passes, capsys):
    expected = trunk.predict(split.images, verbose=0)
    for _ in range(2):
        found = kept_features.features_of(trunk, split, 8, DESCRIPTION)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert found.dtype == np.float32
    assert passes == [20]
    assert "tiny: kept from an earlier pass" in capsys.readouterr().out


def test_what_features_depend_on_is_told_apart(
    trunk, split, passes, monkeypatch
):
    def found(split=split, description=DESCRIPTION):
        return kept_features.features_of(trunk, split, 8, description)

    first = found()
    other = split.images.copy()
    other[3, 0, 0, 0] ^= 1
    assert not np.array_equal(found(_of(other)), first)
    found(description=DESCRIPTION | {"width": 2.0})
    monkeypatch.setattr(kept_features, "_VERSION", 2)
    found()
    trunk.layers[-1].bias.assign_add(np.ones(4))
    np.testing.assert_allclose(found(), first + 1, rtol=1e-4, atol=1e-4)
    assert len(passes) == 5


def test_what_may_change_or_is_too_small_or_large_is_not_kept(
    trunk, split, passes, monkeypatch
):
    outside = {"trunk": {"kind": "function", "value": "mine:make"}}
    for _ in range(2):
        kept_features.features_of(trunk, split, 8, outside)
    for name, value in (("MOST_BYTES", 100), ("LEAST_BYTES", 1000)):
        with monkeypatch.context() as patch:
            patch.setattr(kept_features, name, value)
            for _ in range(2):
                kept_features.features_of(trunk, split, 8, DESCRIPTION)
    assert len(passes) == 6


def test_a_damaged_entry_is_computed_again(trunk, split, passes, tmp_path):
    first = kept_features.features_of(trunk, split, 8, DESCRIPTION)
    (entry,) = (tmp_path / "cache" / "and_tf").iterdir()
    entry.write_bytes(entry.read_bytes()[:-9] + b"damaged!!")
    again = kept_features.features_of(trunk, split, 8, DESCRIPTION)
    np.testing.assert_array_equal(again, first)
    assert len(passes) == 2
