"""The loss from a sample of rows, against the equations over all of them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import and_tf
from and_tf.method import sampled_loss
from and_tf.method.row_draws import draw_rows
from and_tf.utils.errors import InputError
from tests.method.loss_test import batch, oracle

TEMPERATURE = 0.2


def estimated(step, drawn):
    """Losses and gradients from the rows `drawn`."""
    embeddings = tf.constant(step[0])
    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        losses = sampled_loss.losses(embeddings, *step[1:], TEMPERATURE, drawn)
    return losses.numpy(), tape.gradient(losses, embeddings).numpy()


@pytest.mark.parametrize("k", [1, 3])
def test_of_all_rows_it_is_exact(rng, k):
    # Among 30 rows, some neighbours are found twice and some are drawn.
    step = batch(rng, num_rows=30, k=k)
    expected, gradients = oracle(*step, TEMPERATURE)
    losses, found = estimated(step, np.arange(30))
    np.testing.assert_allclose(losses, expected, atol=1e-5)
    np.testing.assert_allclose(found, gradients, rtol=1e-4, atol=1e-5)


def test_estimates_the_partition_and_the_gradient_without_bias(rng):
    step = batch(rng, num_rows=200)
    expected, gradients = oracle(*step, TEMPERATURE)
    of_draws = [
        estimated(step, draw_rows(0, number, 200, 50)) for number in range(400)
    ]
    losses, found = map(np.array, zip(*of_draws, strict=True))
    # exp(loss) = Ẑ / the mass of the neighbourhood.
    ratios = np.exp(losses)
    error = ratios.mean(0) - np.exp(expected)
    assert (np.abs(error) < 4 * ratios.std(0) / np.sqrt(len(ratios))).all()
    # The gradient of a logarithm has a bias that is small beside its noise.
    noise = found.std(0).mean()
    assert np.abs(found.mean(0) - gradients).mean() < noise / 4


def test_of_nothing_but_the_neighbourhood(rng):
    step = batch(rng, size=1, num_rows=4, k=3)
    step[3][:] = [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    step[4][:] = True
    losses, gradients = estimated(step, np.array([0, 2]))
    np.testing.assert_allclose(losses, 0, atol=1e-6)
    np.testing.assert_allclose(gradients, 0, atol=1e-6)


def model(negatives, count=40, **options):
    keras.utils.set_random_seed(1)
    encoder = and_tf.encoders.build("small", 8, embedding_dim=8)
    made = and_tf.AND(encoder, count, negatives=negatives, seed=3, **options)
    made.compile(keras.optimizers.SGD(0.03))
    return made


def trained(made, images):
    """The losses of three epochs, in order."""
    data = tf.data.Dataset.from_tensor_slices((images, np.arange(len(images))))
    return made.fit(data.batch(10), epochs=3, verbose=0).history["loss"]


def test_a_model_draws_by_seed_and_step(rng):
    images = rng.integers(0, 256, (40, 8, 8, 3), np.uint8)
    exact = trained(model(0), images)
    assert trained(model(40), images) == exact
    first = trained(model(12), images)
    assert trained(model(12), images) == first != exact
    assert (np.diff(first) < 0).all()


def test_evaluates_exactly(rng):
    images = rng.integers(0, 256, (40, 8, 8, 3), np.uint8)
    exact, few = (
        made.evaluate(images, np.arange(40), verbose=0, return_dict=True)
        for made in (model(0), model(12))
    )
    assert few["loss"] == exact["loss"]


def test_is_kept_in_the_config():
    assert and_tf.AND.from_config(model(12).get_config()).negatives == 12


@pytest.mark.parametrize("negatives", [-1, 2.5])
def test_refuses_other_numbers(negatives):
    with pytest.raises(InputError, match="whole number of negatives"):
        model(negatives)


def test_refuses_a_bank_in_shards():
    devices = [d.name for d in tf.config.list_logical_devices("CPU")]
    with (
        tf.distribute.MirroredStrategy(devices).scope(),
        pytest.raises(InputError, match="negatives=0 with shard_bank"),
    ):
        model(12, shard_bank=True)
