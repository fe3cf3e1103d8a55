"""Pairs of images: who is paired with whom, and the same again."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from and_tf.augmentation import StrongConfig, ViewConfig
from and_tf.data.pipeline import order_seed
from and_tf.data.split import in_memory
from and_tf.scan import pair_batches
from and_tf.scan.view_recipes import recipe
from and_tf.utils.errors import InputError

SIZE, K = 50, 4
# Whole images, so that a view tells whose it is.
PLAIN = ViewConfig(
    8, crop_area=(1.0, 1.0), crop_ratio=(1.0, 1.0), brightness=0.0,
    contrast=0.0, saturation=0.0, hue=0.0, greyscale=0.0,
)  # fmt: skip


@pytest.fixture
def split():
    levels = np.arange(SIZE, dtype=np.uint8)[:, None, None, None]
    return in_memory("levels", np.tile(levels, (1, 8, 8, 3)), None)


@pytest.fixture
def neighbours():
    steps = np.arange(1, K + 1, dtype=np.int32)
    return (np.arange(SIZE, dtype=np.int32)[:, None] + steps) % SIZE


def numbers(split, neighbours, **changes) -> list[np.ndarray]:
    """[2, b] of each batch: who stands beside whom."""
    options = {"batch_size": 16, "seed": 3, "epochs": 3, **changes}
    batches = pair_batches.pair_batches(split, neighbours, PLAIN, **options)
    return [
        np.rint([s.numpy().mean((1, 2, 3)) for s in sides]).astype(int)
        for sides in batches
    ]


def test_pairs_are_of_neighbours(split, neighbours):
    batches = numbers(split, neighbours, epochs=40)
    assert {b.shape for b in batches} == {(2, 16)}
    apart = [(b[1] - b[0]) % SIZE for b in batches]
    values, counts = np.unique(np.concatenate(apart), return_counts=True)
    assert values.tolist() == [1, 2, 3, 4]
    assert counts.min() > 0.8 * counts.max()


def test_an_epoch_has_no_image_twice(split, neighbours):
    batches = numbers(split, neighbours)
    assert len(batches) == 9
    orders = [np.concatenate([b[0] for b in batches[i : i + 3]])
              for i in (0, 3, 6)]  # fmt: skip
    assert {len(set(order)) for order in orders} == {48}
    assert not np.array_equal(orders[0], orders[1])


def test_takes_up_anywhere(split, neighbours):
    whole = numbers(split, neighbours)
    rest = numbers(split, neighbours, first_epoch=1, first_step=2)
    np.testing.assert_array_equal(whole[5:], rest)


def test_parts_are_those_of_the_whole(split, neighbours):
    whole = numbers(split, neighbours)
    halves = [numbers(split, neighbours, share=(i, 2)) for i in (0, 1)]
    for batch, *parts in zip(whole, *halves, strict=True):
        np.testing.assert_array_equal(batch, np.concatenate(parts, axis=1))


def test_both_sides_have_views_of_their_own(split):
    """Of an image that is its own neighbour."""
    config = ViewConfig(8)
    own = np.arange(SIZE, dtype=np.int32)[:, None]
    batch = pair_batches.pair_batches(
        split, own, config, batch_size=50, seed=0, epochs=1
    )
    anchors, others = next(iter(batch))
    assert not np.allclose(anchors, others)
    draws = [config.draw(0, 1, 9, stream) for stream in (0, 1)]
    assert not np.array_equal(*draws)


def test_two_views_are_of_the_same_images(split):
    options = {"batch_size": 16, "seed": 3, "epochs": 2}
    batches = [
        np.rint([v.numpy().mean((1, 2, 3)) for v in views]).astype(int)
        for views in pair_batches.weak_and_strong_batches(
            split, PLAIN, PLAIN, **options
        )
    ]
    assert len(batches) == 6
    for weak, strong in batches:
        np.testing.assert_array_equal(weak, strong)
    rest = pair_batches.weak_and_strong_batches(
        split, PLAIN, PLAIN, first_epoch=1, first_step=1, **options
    )
    assert len(list(rest)) == 2


def test_each_view_is_that_of_its_recipe():
    """Drawn for the image by seed and epoch, from a stream for each view."""
    shape = SIZE, 9, 9, 3
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    recipes = ViewConfig(8), StrongConfig(8)
    (found,) = pair_batches.weak_and_strong_batches(
        in_memory("toy", images, None), *recipes,
        batch_size=SIZE, seed=3, epochs=5, first_epoch=4,
    )  # fmt: skip
    order = tf.random.experimental.stateless_shuffle(
        tf.range(SIZE, dtype=tf.int64), order_seed(3, 4)
    )
    for view, recipe_, stream in zip(found, recipes, (0, 1), strict=True):
        draws = recipe_.draw(3, 4, SIZE, stream)
        inputs = {"images": images, "draws": draws}
        expected = tf.gather(recipe_.layer()(inputs), order)
        # Rounding moves a level of a strong view now and then.
        assert np.mean(np.abs(view - expected) > 0.01) < 0.01


@pytest.mark.parametrize("name", ["strong", "weak", "clean", "none"])
def test_recipes_by_name(split, name):
    view = recipe(name, ViewConfig(6, flip=0.5), 6, (0.1, 0.2, 0.4))
    weak, strong = next(
        iter(
            pair_batches.weak_and_strong_batches(
                split, view, view, batch_size=50, seed=0, epochs=1
            )
        )
    )
    assert weak.shape == (50, 6, 6, 3)
    assert np.allclose(weak, strong, atol=1e-3) == (name in ("clean", "none"))
    if name == "strong":
        assert view.cutout_colour == pytest.approx((25.5, 51, 102))


def test_recipes_of_views_smaller_than_images():
    """Clean is the image; strong shows as much of it as its pixels may."""
    trained_on = ViewConfig(24)
    sizes = {
        name: recipe(name, trained_on, 32, (0.5,) * 3).image_size
        for name in ("strong", "weak", "clean")
    }
    assert sizes == {"strong": 24, "weak": 24, "clean": 32}


@pytest.mark.parametrize(
    ("view", "image", "side", "cut"),
    [(24, 32, 24 / 32, 16), (32, 32, 1, 16), (48, 32, 1, 16), (96, 96, 1, 32),
     (224, 224, 224 / 256, 75), (160, 224, 160 / 224, 75)],
)  # fmt: skip
def test_strong_views_are_those_of_the_authors_code(view, image, side, cut):
    """Sides of windows and of cutouts, in pixels of 32, 96 and 224."""
    found = recipe("strong", ViewConfig(view), image, (0.5,) * 3)
    assert found.crop_area == pytest.approx([side**2] * 2)
    assert found.cutout[1] * image == pytest.approx(cut, abs=0.5)


def test_an_image_is_one_of_its_own_partners(neighbours):
    received = pair_batches.with_own(neighbours)
    assert received.dtype == neighbours.dtype
    np.testing.assert_array_equal(received[:, 0], np.arange(len(neighbours)))
    np.testing.assert_array_equal(received[:, 1:], neighbours)


def test_choice_follows_from_seed_and_epoch(neighbours):
    choices = [
        pair_batches.choose(tf.constant(neighbours), seed, epoch)
        .numpy()
        .tolist()
        for seed, epoch in ((0, 0), (0, 1), (1, 0), (0, 0))
    ]
    assert choices[0] == choices[3]
    assert len({tuple(c) for c in choices}) == 3


@pytest.mark.parametrize(
    ("changes", "batch_size", "message"),
    [({"images": None}, 16, "Give a larger --memory_gib"),
     ({}, 51, "at most 50.*Received: 51"),
     ({}, 3, "4 or more, two images for each of 2 devices")],
)  # fmt: skip
def test_refuses(split, changes, batch_size, message):
    changed = dataclasses.replace(split, **changes)
    with pytest.raises(InputError, match=message):
        pair_batches.check(changed, batch_size, replicas=2)
