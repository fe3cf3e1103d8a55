"""Batches of splits in memory and streamed, epoch after epoch."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from and_tf.augmentation import (
    DRAWS,
    RandomView,
    StrongConfig,
    ViewConfig,
    draw,
)
from and_tf.data.pipeline import (
    clean_batches,
    pass_batch,
    steps_per_epoch,
    train_batches,
)
from and_tf.data.preprocessing import centre_square
from and_tf.data.split import Split, Stream, in_memory, shuffled_numbers
from and_tf.utils.errors import InputError

N = 10
VIEW = ViewConfig(8)


def _held(size: int = N, side: int = 9) -> Split:
    shape = size, side, side, 3
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return in_memory("toy/train", images, labels=None)


def _streamed(size: int = N) -> Split:
    """Images of different sizes, encoded until they are needed."""
    rng = np.random.default_rng(0)
    shapes = [(7 + i, 18 - i, 3) for i in range(size)]
    encoded = tf.stack(
        [
            tf.io.encode_png(rng.integers(0, 256, shape, np.uint8))
            for shape in shapes
        ]
    )

    stream = Stream(
        lambda seed: shuffled_numbers(size, seed).map(
            lambda number: (encoded[number], number)
        ),
        lambda image: tf.io.decode_png(image, 3),
    )
    return Split("toy/train", size, None, stream, labels=None)


both = pytest.mark.parametrize("make", [_held, _streamed])


def _train(split: Split, **changes) -> tf.data.Dataset:
    arguments = dict(batch_size=4, seed=1, epochs=3) | changes
    return train_batches(split, VIEW, **arguments)


def _images(split: Split) -> list[np.ndarray]:
    """The images by number, whatever their sizes."""
    return [image.numpy() for image, _ in split.stream(None)]


def _sample_ids(batches: tf.data.Dataset) -> list[list[int]]:
    return [sample_ids.numpy().tolist() for _, sample_ids in batches]


@both
def test_an_epoch_has_every_image_once(make):
    batches = _train(make())
    images, sample_ids = batches.element_spec
    assert images == tf.TensorSpec([None, 8, 8, 3], tf.float32)
    assert sample_ids == tf.TensorSpec([None], tf.int64)
    assert batches.cardinality() == 9
    sample_ids = _sample_ids(batches)
    assert [len(batch) for batch in sample_ids] == [4, 4, 2] * 3
    for start in 0, 3, 6:
        assert sorted(sum(sample_ids[start : start + 3], [])) == [*range(N)]


@both
def test_order_follows_from_seed_and_epoch(make):
    split = make()
    orders = [
        np.concatenate(_sample_ids(_train(split, seed=seed))).reshape(3, N)
        for seed in (1, 2)
    ]
    assert len(np.unique(np.concatenate(orders), axis=0)) == 6


@both
@pytest.mark.parametrize("on_device", [False, True])
@pytest.mark.parametrize(("epoch", "step"), [(2, 0), (1, 2), (0, 1)])
def test_a_resumed_run_sees_the_same_to_the_bit(make, on_device, epoch, step):
    split = make()
    whole = [*_train(split, on_device=on_device)][3 * epoch + step :]
    batches = _train(
        split, on_device=on_device, first_epoch=epoch, first_step=step
    )
    assert batches.cardinality() == len(whole)
    resumed = [*batches]
    for expected, batch in zip(whole, resumed, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, batch, expected)


@both
def test_a_view_follows_from_seed_epoch_and_number(make):
    split = make()
    images, augment = _images(split), RandomView(VIEW)
    batches = [*_train(split, seed=7, epochs=2)]
    for epoch in range(2):
        draws = draw(7, epoch, N)
        for views, sample_ids in batches[3 * epoch : 3 * epoch + 3]:
            for view, i in zip(views, sample_ids.numpy(), strict=True):
                expected = augment.augment_one(images[i], draws[i])
                np.testing.assert_allclose(view, expected, atol=0.01)


@both
def test_batch_size_changes_neither_order_nor_views(make):
    split = make()
    one, other = (
        [np.concatenate(parts) for parts in zip(*batches, strict=True)]
        for batches in (_train(split), _train(split, batch_size=7))
    )
    np.testing.assert_array_equal(one[1], other[1])
    np.testing.assert_allclose(one[0], other[0], atol=0.01)


def test_on_device_leaves_the_views_to_the_model():
    split, augment = _held(), RandomView(VIEW)
    batches = _train(split, on_device=True)
    assert batches.element_spec[0] == {
        "images": tf.TensorSpec([None, 9, 9, 3], tf.uint8),
        "draws": tf.TensorSpec([None, DRAWS], tf.float32),
    }
    for (views, sample_ids), (inputs, same) in zip(
        _train(split), batches, strict=True
    ):
        np.testing.assert_array_equal(sample_ids, same)
        np.testing.assert_array_equal(
            inputs["images"], split.images[sample_ids.numpy()]
        )
        np.testing.assert_allclose(augment(inputs), views, atol=0.01)


def test_on_device_makes_sizes_equal():
    split = _streamed()
    images = _images(split)
    for inputs, sample_ids in _train(split, on_device=True, epochs=1):
        expected = [centre_square(images[i], 9) for i in sample_ids.numpy()]
        np.testing.assert_array_equal(inputs["images"], expected)


def test_strong_views_follow_from_seed_epoch_and_number():
    split, recipe = _held(), StrongConfig(8)
    options = dict(batch_size=4, seed=1, epochs=3, first_epoch=1)
    views, sample_ids = next(iter(train_batches(split, recipe, **options)))
    draws = tf.gather(recipe.draw(1, 1, N), sample_ids)
    images = tf.gather(split.images, sample_ids)
    expected = recipe.layer()({"images": images, "draws": draws})
    # Rounding moves a level now and then.
    assert np.mean(np.abs(views - expected) > 0.01) < 0.01


def test_large_views_of_a_split_in_memory():
    split, view = _held(size=3, side=110), ViewConfig(100)
    augment, draws = RandomView(view), draw(1, 0, 3)
    batches = train_batches(split, view, batch_size=2, seed=1, epochs=1)
    for views, sample_ids in batches:
        inputs = {
            "images": tf.constant(split.images[sample_ids.numpy()]),
            "draws": tf.gather(draws, sample_ids),
        }
        np.testing.assert_allclose(views, augment(inputs), atol=0.02)


@both
@pytest.mark.parametrize("size", [N, 11])
@pytest.mark.parametrize("begun", [{}, {"first_epoch": 1, "first_step": 2}])
def test_parts_of_batches_make_the_batches(make, size, begun):
    """Also of a last batch that leaves fewer images, and one taken up."""
    split = make(size)
    whole = list(_train(split, **begun))
    parts = [list(_train(split, share=(i, 2), **begun)) for i in range(2)]
    assert len(parts[0]) == len(parts[1]) == len(whole)
    for (images, sample_ids), *both_parts in zip(whole, *parts, strict=True):
        sizes = [len(part[1]) for part in both_parts]
        assert 0 <= sizes[0] - sizes[1] <= 1
        together = [np.concatenate(a) for a in zip(*both_parts, strict=True)]
        np.testing.assert_array_equal(together[1], sample_ids)
        np.testing.assert_allclose(together[0], images, atol=1e-4)


def test_other_parts_are_not_decoded():
    split = _streamed(9)
    seen = []

    def decode(encoded):
        tf.py_function(lambda: seen.append(1), [], [])
        return tf.io.decode_png(encoded, 3)

    stream = dataclasses.replace(split.stream, decode=decode)
    split = dataclasses.replace(split, stream=stream)
    assert len(list(_train(split, share=(1, 3), epochs=1, batch_size=3))) == 3
    assert len(seen) == 3


def test_a_batch_has_an_image_for_each_part():
    with pytest.raises(
        InputError, match="each of 3 .* batches of 4.* last of 2"
    ):
        _train(_held(), share=(0, 3))
    with pytest.raises(InputError, match="each of 11 devices"):
        _train(_held(), share=(0, 11), batch_size=10)


@both
def test_a_part_of_the_clean_images(make):
    _, sample_ids = zip(*clean_batches(make(), 8, 3, 2, 9), strict=True)
    assert [n.tolist() for n in map(np.asarray, sample_ids)] == [
        [2, 3, 4], [5, 6, 7], [8],
    ]  # fmt: skip


def test_no_epoch_is_left():
    assert not [*_train(_held(), first_epoch=3)]


@pytest.mark.parametrize(
    "batch_size, steps", [(1, 10), (3, 4), (5, 2), (9, 2), (10, 1)]
)
def test_steps_per_epoch(batch_size, steps):
    assert steps_per_epoch(_held(), batch_size) == steps


@pytest.mark.parametrize("function", [steps_per_epoch, None])
def test_batch_sizes_that_cannot_be(function):
    call = function or (lambda split, size: _train(split, batch_size=size))
    with pytest.raises(InputError, match="at least 1. Received: 0"):
        call(_held(), 0)
    with pytest.raises(InputError, match="at most 10, .* Received: 11"):
        call(_held(), 11)


@both
@pytest.mark.parametrize("size, batch_size", [(8, 3), (9, 10), (9, 64)])
def test_clean_batches(make, size, batch_size):
    split = make()
    batches = clean_batches(split, size, batch_size)
    assert batches.element_spec[0].shape == (None, size, size, 3)
    views, sample_ids = (
        np.concatenate(parts) for parts in zip(*batches, strict=True)
    )
    np.testing.assert_array_equal(sample_ids, np.arange(N))
    assert views.dtype == np.uint8 and sample_ids.dtype == np.int64
    expected = [centre_square(image, size) for image in _images(split)]
    np.testing.assert_array_equal(views, expected)


def test_clean_batches_need_a_batch_size():
    with pytest.raises(InputError, match="at least 1. Received: -2"):
        clean_batches(_held(), 8, -2)


@pytest.mark.parametrize(
    ("side", "size"), [(8, 512), (96, 512), (160, 184), (224, 94), (4096, 16)]
)
def test_a_pass_takes_fewer_large_images_at_a_time(side, size):
    assert pass_batch(side) == size
