"""Several views of the same images."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from and_tf.augmentation import StrongConfig, ViewConfig, Views
from and_tf.data.pipeline import train_batches
from and_tf.data.split import in_memory
from tests.data.pipeline_test import N, both

WEAK, STRONG = ViewConfig(8), StrongConfig(8)


def _images() -> tf.Tensor:
    rng = np.random.default_rng(0)
    return tf.constant(rng.integers(0, 256, (6, 9, 9, 3), np.uint8))


def _alone(recipe, images: tf.Tensor, stream: int) -> tf.Tensor:
    draws = recipe.draw(3, 4, 6, stream)
    return recipe.layer()({"images": images, "draws": draws})


def test_each_view_is_that_of_its_recipe():
    images, recipe = _images(), Views((WEAK, STRONG))
    draws = recipe.draw(3, 4, 6)
    assert draws.shape == (6, recipe.draws) == (6, WEAK.draws + STRONG.draws)
    layer = recipe.layer()
    weak, strong = layer({"images": images, "draws": draws})
    np.testing.assert_array_equal(weak, _alone(WEAK, images, 0))
    np.testing.assert_array_equal(strong, _alone(STRONG, images, 1))
    assert not layer.variables


def test_two_views_of_one_recipe_differ():
    draws = Views((WEAK, WEAK)).draw(3, 4, 6)
    one, other = np.split(draws, 2, axis=1)
    np.testing.assert_array_equal(one, WEAK.draw(3, 4, 6))
    assert not np.isin(one, other).any()


def test_the_largest_side_counts():
    assert Views((ViewConfig(8), StrongConfig(12), WEAK)).image_size == 12


@both
def test_batches_of_two_views(make):
    """Both on the same images, in memory and streamed."""
    arguments = dict(batch_size=4, seed=1, epochs=2)
    recipe = Views((WEAK, STRONG))
    both_views = train_batches(make(), recipe, **arguments)
    alone = train_batches(make(), WEAK, **arguments)
    count = 0
    for ((weak, strong), sample_ids), (expected, same) in zip(
        both_views, alone, strict=True
    ):
        np.testing.assert_array_equal(sample_ids, same)
        np.testing.assert_array_equal(weak, expected)
        assert strong.shape == weak.shape
        count += len(sample_ids)
    assert count == 2 * N


def test_strong_batches_are_keyed():
    """By seed, epoch and number; wherever a run is taken up."""
    split = in_memory("toy", _images().numpy(), labels=None)
    arguments = dict(batch_size=4, seed=1, epochs=3)
    whole = list(train_batches(split, STRONG, **arguments))
    rest = train_batches(split, STRONG, **arguments, first_epoch=1)
    for (views, sample_ids), (expected, same) in zip(
        rest, whole[2:], strict=True
    ):
        np.testing.assert_array_equal(sample_ids, same)
        np.testing.assert_array_equal(views, expected)
    draws = tf.gather(STRONG.draw(1, 0, 6), whole[0][1])
    images = tf.gather(_images(), whole[0][1])
    views = STRONG.layer()({"images": images, "draws": draws})
    assert np.mean(np.not_equal(views, whole[0][0])) < 0.01


def test_on_device_leaves_the_views_to_the_layer():
    split = in_memory("toy", _images().numpy(), labels=None)
    recipe = Views((WEAK, STRONG))
    arguments = dict(batch_size=6, seed=1, epochs=1)
    (inputs, _), *_ = train_batches(split, recipe, **arguments, on_device=True)
    ((weak, strong), _), *_ = train_batches(split, recipe, **arguments)
    left = recipe.layer()(inputs)
    np.testing.assert_allclose(left[0], weak, atol=0.01)
    assert np.mean(np.abs(left[1] - strong) > 1) < 0.01
