"""Batches from the host and from the device: the same ones."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from and_tf.augmentation import RandomView, ViewConfig
from and_tf.data.pipeline import train_batches
from and_tf.data.split import Split, in_memory
from and_tf.data.step_batches import DeviceBatches, HostBatches, split_batches
from and_tf.distribution.process_group import ProcessGroup

N, BATCH, SEED, EPOCHS = 23, 5, 7, 3  # The last batch has three images.
STEPS = 5
VIEW = ViewConfig(8, flip=0.5)
# How far a view that XLA computes may be from that of TensorFlow's own
# operations, in 255 levels: 24,000 views of noise and of gradients, of 8 to 40
# pixels, differed by up to 0.0004.
BOUND = 1e-3


class OneOfSeveral(ProcessGroup):
    """The team of a process that trains with others, without these.

    Args:
        index: Its place.
        size: Their number.
        strategy: Of its devices.
    """

    def __init__(self, index, size, strategy=None) -> None:
        super().__init__(strategy)
        self.index, self.size = index, size


def images(size: int = N, side: int = 9) -> Split:
    shape = (size, side, side, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return in_memory("toy/train", pixels, labels=None)


def device(
    processes: ProcessGroup | None = None, batch_size: int = BATCH
) -> DeviceBatches:
    return DeviceBatches(
        images(),
        VIEW,
        batch_size=batch_size,
        seed=SEED,
        processes=processes or ProcessGroup(),
    )


def dataset(**options) -> tf.data.Dataset:
    options = {"batch_size": BATCH, "seed": SEED, "epochs": EPOCHS, **options}
    return train_batches(images(), VIEW, **options)


def drawn(batches, first=(0, 0)) -> list:
    """What a loop from (epoch, step) on gives `train_step`."""
    found = []
    for epoch in range(first[0], EPOCHS):
        arguments = batches.begin(epoch)
        start = first[1] if epoch == first[0] else 0
        for step in range(start, STEPS):
            chosen = batches.find(tf.constant(step), *arguments)
            found.append(batches.load(*batches.select(*chosen)))
    return found


def assert_same(received, expected) -> None:
    """Images, draws and numbers to the bit, and of the same kinds."""
    assert len(received) == len(expected) > 0
    for batch, wanted in zip(received, expected, strict=True):
        tf.nest.assert_same_structure(batch, wanted)
        for one, two in zip(
            *map(tf.nest.flatten, (batch, wanted)), strict=True
        ):
            assert one.dtype == two.dtype
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("first", [(0, 0), (1, 2), (2, 4)])
def test_device_and_host_give_the_same_batches(first):
    host = HostBatches(
        dataset(on_device=True, first_epoch=first[0], first_step=first[1]),
        ProcessGroup(),
    )
    expected = drawn(host, first)
    assert_same(drawn(device(), first), expected)
    assert [len(sample_ids) for _, sample_ids in expected[-STEPS:]][-1] == 3
    for epoch in range(len(expected) // STEPS):
        last = expected[len(expected) - STEPS * (epoch + 1) :][:STEPS]
        sample_ids = np.concatenate([sample_ids for _, sample_ids in last])
        np.testing.assert_array_equal(np.sort(sample_ids), np.arange(N))


def test_nothing_but_the_epoch_decides():
    """An epoch that is begun again, after another, is the same."""
    batches = device()
    once = batches.begin(1)
    batches.begin(0)
    again = batches.begin(1)
    for one, two in zip(once, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert (once[1].numpy() != batches.begin(2)[1].numpy()).any()


def test_views_in_xla_are_those_of_the_pipeline():
    """As a model makes them of what `load` gives, where XLA compiles it."""
    augment, whole = RandomView(VIEW), {"batch_size": N}

    @tf.function(autograph=False, jit_compile=True)
    def view(inputs):
        return augment(inputs, training=True)

    # One batch an epoch, for XLA compiles each size of batch anew.
    batches = device(**whole)
    for epoch, (expected, of) in enumerate(dataset(**whole)):
        chosen = batches.find(tf.constant(0), *batches.begin(epoch))
        inputs, sample_ids = batches.load(*batches.select(*chosen))
        made = view(inputs)
        np.testing.assert_array_equal(sample_ids, of)
        np.testing.assert_allclose(made, expected, rtol=0, atol=BOUND)


def mirrored() -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def drawn_by_replicas(batches: DeviceBatches, strategy) -> list:
    """What the replicas of a process get, one after another in each step."""

    @tf.function(autograph=False, reduce_retracing=True)
    def step(number, *arguments):
        return strategy.run(
            lambda *found: batches.load(*batches.select(*found)),
            args=batches.find(number, *arguments),
        )

    def of(values, replica):
        return strategy.experimental_local_results(values)[replica]

    found = []
    for epoch in range(EPOCHS):
        arguments = batches.begin(epoch)
        for number in range(STEPS):
            inputs, sample_ids = step(tf.constant(number), *arguments)
            found += [
                ({k: of(v, i) for k, v in inputs.items()}, of(sample_ids, i))
                for i in range(2)
            ]
    return found


def test_replicas_get_the_parts_that_batches_are_split_into():
    strategy = mirrored()
    received = drawn_by_replicas(device(ProcessGroup(strategy)), strategy)
    assert_same(received, list(split_batches(dataset(on_device=True), 2)))


def test_replicas_of_processes_get_parts_of_their_parts():
    """The last batch has three images for two times two replicas."""
    for index in range(2):
        strategy = mirrored()
        processes = OneOfSeveral(index, 2, strategy)
        shares = dataset(on_device=True, share=(index, 2))
        received = drawn_by_replicas(device(processes), strategy)
        assert_same(received, list(split_batches(shares, 2)))


def test_images_lie_on_the_device_of_each_replica():
    strategy, devices = mirrored(), ["CPU:0", "CPU:1"]
    for tensors in device(ProcessGroup(strategy)).begin(0):
        found = strategy.experimental_local_results(tensors)
        assert [t.device[-5:] for t in found] == devices


@pytest.mark.parametrize("size", [2, 3])
def test_processes_get_their_shares(size):
    together = []
    for index in range(size):
        received = drawn(device(OneOfSeveral(index, size)))
        shares = dataset(on_device=True, share=(index, size))
        assert_same(received, list(shares))
        together.append([sample_ids for _, sample_ids in received])
    whole = [sample_ids for _, sample_ids in dataset()]
    for parts, sample_ids in zip(
        zip(*together, strict=True), whole, strict=True
    ):
        np.testing.assert_array_equal(np.concatenate(parts), sample_ids)


def test_views_of_a_gpu_are_those_of_the_host_up_to_tensorfloat_32(
    monkeypatch,
):
    """Of noise, whose neighbouring pixels differ most.

    TensorFlow's default on such cards rounds what it multiplies to 10 bits,
    as is done here by hand; what it adds up keeps all bits.
    """
    exact = tf.matmul

    def rounded(x: tf.Tensor) -> tf.Tensor:
        bits = tf.bitcast(tf.convert_to_tensor(x, tf.float32), tf.int32)
        kept = tf.constant(~0x1FFF, tf.int32)
        bits = tf.bitwise.bitwise_and(bits + 0x1000, kept)
        return tf.bitcast(bits, tf.float32)

    recipe = ViewConfig(32, flip=0.5)
    shape = (500, 32, 32, 3)
    inputs = {
        "images": np.random.default_rng(0).integers(0, 256, shape, np.uint8),
        "draws": recipe.draw(0, 0, 500),
    }
    view = RandomView(recipe)
    expected = view(inputs).numpy()
    monkeypatch.setattr(
        tf, "matmul", lambda a, b, **o: exact(rounded(a), rounded(b), **o)
    )
    differ = np.abs(view(inputs).numpy() - expected)
    assert 0 < differ.mean() < 0.1
    assert differ.max() < 1.5
