"""Work shared out to two devices, against one that does all of it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import and_tf
from and_tf.data.split import in_memory
from and_tf.distribution.process_group import ProcessGroup, part
from and_tf.evaluation.embeddings import embed
from and_tf.evaluation.knn import weighted_knn
from and_tf.search import device, grouped
from and_tf.search.nearest import nearest
from tests.conftest import unit


@pytest.fixture(scope="module")
def pair() -> ProcessGroup:
    return ProcessGroup(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))


@pytest.mark.parametrize("total", [0, 1, 2, 5, 6, 7])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_parts_are_those_of_numpy(total, as_tensor):
    given = tf.constant(total) if as_tensor else total
    spans = [part(given, i, 3) for i in range(3)]
    expected = np.array_split(np.arange(total), 3)
    for (start, stop), numbers in zip(spans, expected, strict=True):
        np.testing.assert_array_equal(np.arange(start, stop), numbers)


def test_each_device_has_its_items(pair):
    where = []

    def note(items):
        where.append((tf.zeros(1).device[-5:], tuple(items)))
        return (np.array(items),)

    (found,) = pair.share(note, [3, 1, 4, 1, 5])
    np.testing.assert_array_equal(found, [3, 1, 4, 1, 5])
    assert sorted(where) == [("CPU:0", (3, 1, 4)), ("CPU:1", (1, 5))]
    (found,) = pair.share(note, [9])
    np.testing.assert_array_equal(found, [9])


@pytest.mark.parametrize("num", [900, 1100])
@pytest.mark.parametrize("k", [1, 200])
def test_a_shared_search_finds_the_same(rng, pair, where, num, k):
    rows = unit(rng.normal(size=(num, 16))).astype(np.float32)
    options = {"temperature": 0.1, "exclude_self": True}
    alone = nearest(rows, rows, k, **options)
    shared = nearest(rows, rows, k, **options, processes=pair)
    # One device serves rows and columns at once: near equals may swap.
    assert (shared.index != alone.index).mean() < 1e-3
    np.testing.assert_allclose(shared.similarity, alone.similarity, atol=1e-6)
    np.testing.assert_allclose(shared.entropy, alone.entropy, atol=1e-5)


def test_a_shared_classification_is_the_same(rng, pair, where):
    rows = unit(rng.normal(size=(2100, 8))).astype(np.float32)
    labels = rng.integers(0, 5, len(rows))
    arguments = (rows, labels, rows, labels)
    options = {"neighbours": 20, "leave_one_out": True}
    alone = weighted_knn(*arguments, **options)
    shared = weighted_knn(*arguments, **options, processes=pair)
    np.testing.assert_array_equal(shared.predictions, alone.predictions)


def test_each_device_compiles_and_computes_its_own_slices(
    rng, pair, monkeypatch
):
    monkeypatch.setattr(device, "on_cpu", lambda: False)
    where, compiled = set(), grouped._compiled

    def watched(*arguments):
        found = compiled(*arguments)

        def function(*tensors):
            words = found.function(*tensors)
            where.add((words.device[-5:], *(t.device[-5:] for t in tensors)))
            return words

        return found._replace(function=function)

    monkeypatch.setattr(grouped, "_compiled", watched)
    rows = unit(rng.normal(size=(2500, 16))).astype(np.float32)
    nearest(rows, rows, 1, temperature=0.1, exclude_self=True, processes=pair)
    assert where == {("CPU:0",) * 5, ("CPU:1",) * 5}


def model_of(strategy: tf.distribute.Strategy, num: int) -> and_tf.AND:
    keras.utils.set_random_seed(7)
    with strategy.scope():
        encoder = and_tf.encoders.build("small", image_size=8, embedding_dim=6)
        return and_tf.AND(encoder, num, seed=7)


@pytest.mark.parametrize("num", [1, 517])
def test_shared_embeddings_are_the_same(rng, pair, num):
    """An odd last batch, and a single image."""
    images = rng.integers(0, 256, (num, 8, 8, 3), np.uint8)
    split = in_memory("some", images, None)
    alone = model_of(tf.distribute.get_strategy(), 520)
    shared = model_of(pair.strategy, 520)
    expected = embed(alone, split, 8)
    np.testing.assert_allclose(embed(shared, split, 8), expected, atol=1e-6)


def test_a_bank_is_filled_by_two_devices(rng, pair):
    images = rng.integers(0, 256, (21, 8, 8, 3), np.uint8)
    numbers = np.arange(21)
    batches = tf.data.Dataset.from_tensor_slices((images, numbers)).batch(8)
    model = model_of(pair.strategy, 21)
    model.fill_bank(batches)
    expected = model_of(tf.distribute.get_strategy(), 21)(images)
    np.testing.assert_allclose(model.bank.rows, expected, atol=1e-6)
