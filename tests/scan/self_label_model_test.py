"""The self-labelling step: what it moves, and when it moves nothing."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from and_tf import encoders
from and_tf.method.optimizers import CoupledAdam
from and_tf.scan.scan_model import SCAN
from and_tf.scan.self_label_model import SelfLabeller
from tests.on_replicas import on_replicas

CLUSTERS, SIDE = 3, 8


def clustering(heads: int = 2) -> SCAN:
    keras.utils.set_random_seed(4)
    encoder = encoders.build(
        "small", image_size=SIDE, embedding_dim=8, mean=(0.5,) * 3,
        std=(0.25,) * 3,
    )  # fmt: skip
    return SCAN(encoder, CLUSTERS, heads=heads)


def labeller(threshold: float, **options) -> SelfLabeller:
    model = SelfLabeller(clustering(), 1, threshold=threshold, **options)
    model.compile(CoupledAdam(1e-2))
    model.optimizer.build(model.trainable_variables)
    return model


def views(count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    return tuple(
        rng.uniform(0, 255, (count, SIDE, SIDE, 3)).astype(np.float32)
        for _ in range(2)
    )


def step(model: SelfLabeller) -> dict[str, float]:
    logs = tf.function(model.train_step)(views())
    return {name: float(value) for name, value in logs.items()}


def values(variables) -> list[np.ndarray]:
    return [np.array(v) for v in variables]


def test_only_the_chosen_head_goes_on():
    scan = clustering()
    model = SelfLabeller(scan, 1, threshold=0.9)
    images = views()[0]
    expected = scan.by_head(scan(images))[:, 1]
    np.testing.assert_allclose(model(images), expected, atol=1e-6)
    assert model.encoder is scan.encoder


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_without_a_confident_sample_nothing_moves(decay):
    model = labeller(1.0, decay=decay)
    kept = [
        *model.trainable_variables, *model.optimizer.variables, *model.average
    ]  # fmt: skip
    before = values(kept)
    assert step(model) == {"loss": 0, "confident": 0, "skipped": 1}
    for variable, value in zip(kept, before, strict=True):
        np.testing.assert_array_equal(variable, value, err_msg=variable.path)
    # What was seen is seen.
    assert any(np.any(v) for v in model.encoder.variables if "mean" in v.path)


def test_a_confident_batch_is_learnt():
    """By the head alone, whose answers stay what they were."""
    model = labeller(0.0, freeze=True)
    train = tf.function(model.train_step)
    losses = [float(train(views())["loss"]) for _ in range(5)]
    assert 0 < losses[-1] < losses[0]
    assert losses == sorted(losses, reverse=True)
    assert int(model.optimizer.iterations) == 5


def test_average_is_that_of_the_weights():
    model = labeller(0.0, decay=0.75)
    start = values(model.learnt)
    step(model)
    after = values(model.learnt)
    expected = [0.75 * a + 0.25 * b for a, b in zip(start, after, strict=True)]
    for received, value in zip(model.average, expected, strict=True):
        np.testing.assert_allclose(received, value, rtol=1e-4, atol=1e-6)
    with model.averaged():
        np.testing.assert_array_equal(model.learnt[-2], model.average[-2])
    for variable, value in zip(model.learnt, after, strict=True):
        np.testing.assert_array_equal(variable, value)


def head_after_steps(strategy, directory):
    """Of two batches; nothing is sure of the first but on the first replica.

    The encoder is frozen, for each replica normalises by its own images.
    """
    with strategy.scope():
        scan = clustering(1)
        scan.head.kernel.assign(300 * np.array(scan.head.kernel))
        model = SelfLabeller(scan, 0, threshold=0.99, decay=0.5, freeze=True)
        model.compile(CoupledAdam(1e-2))
        model.optimizer.build(model.trainable_variables)
    count = strategy.num_replicas_in_sync
    found = {}
    for name, threshold in (("sure", 0.99), ("unsure", 1.0)):
        model.threshold = threshold

        def part(context):
            i = context.replica_id_in_sync_group
            size = 12 // count
            return tuple(v[i * size : (i + 1) * size] for v in views())

        parts = strategy.experimental_distribute_values_from_function(part)
        run = tf.function(lambda data: strategy.run(model.train_step, (data,)))
        logs = run(parts)
        local = strategy.experimental_local_results
        for key, value in logs.items():
            found[f"{name}_{key}"] = local(value)[0]
        found[f"{name}_kernel"] = np.array(model.head.kernel)
        found[f"{name}_average"] = np.array(model.average[-2])
        found[f"{name}_steps"] = np.array(model.optimizer.iterations)
    return found


def test_is_that_of_the_global_batch(tmp_path):
    received = on_replicas(head_after_steps, 2, tmp_path)
    expected = head_after_steps(tf.distribute.get_strategy(), None)
    assert 0 < expected["sure_confident"] < 1
    assert expected["unsure_skipped"] == 0.5
    assert expected["unsure_steps"] == 1
    for name, value in expected.items():
        np.testing.assert_allclose(
            received[name], value, rtol=1e-4, atol=1e-5, err_msg=name
        )
