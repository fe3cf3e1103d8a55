"""What a run makes of its devices, without any GPU being there."""

from __future__ import annotations

import dataclasses
import types

import numpy as np
import pytest

from and_tf.data.split import ImageData, Split, in_memory
from and_tf.training import placement
from and_tf.training.config import TrainConfig
from tests.data.streamed import streamed

CIFAR10 = 50_000, 10_000
GIB = 2**30


def split(size: int, side: int = 2) -> Split:
    return in_memory("toy", np.zeros((size, side, side, 3), np.uint8), None)


@pytest.mark.parametrize(
    ("sizes", "has_bank", "on_gpu", "epochs"),
    [
        # 10,000 forward passes to the 150,000 that an epoch is worth are a
        # 15th of the time: every second epoch is within 5 %.
        (CIFAR10, True, False, 2),
        # Five times that, by what the host does beside a GPU.
        (CIFAR10, True, True, 7),
        # 60,000 of 150,000, for the gallery has to be embedded too.
        (CIFAR10, False, False, 8),
        (CIFAR10, False, True, 40),
        # Without a test split the bank is searched for itself.
        ((50_000, 0), True, False, 2),
        ((50_000, 0), False, False, 7),
        # However few the images to evaluate are.
        ((50_000, 1), True, False, 1),
        ((1_281_167, 10), True, True, 1),
        # More queries than images to train on.
        ((1_000, 30_000), True, False, 200),
    ],
)
def test_evaluations_take_a_twentieth_of_the_time(
    sizes, has_bank, on_gpu, epochs
):
    found = placement.evaluation_interval(
        *sizes, has_bank=has_bank, on_gpu=on_gpu
    )
    assert found == epochs


@pytest.mark.parametrize("on_gpu", [False, True])
def test_what_is_left_open_follows_from_the_device(on_gpu):
    config = TrainConfig()
    images = ImageData("toy", split(50), split(10))
    resolved = placement.resolve(config, images, on_gpu)
    assert resolved.augment_on_device is on_gpu
    assert resolved.evaluate_every == (7 if on_gpu else 2)
    others = {"augment_on_device": None, "evaluate_every": -1}
    assert dataclasses.replace(resolved, **others) == config
    without = placement.resolve(
        config, ImageData("toy", split(50), None), on_gpu
    )
    assert without.evaluate_every == (9 if on_gpu else 2)


@pytest.mark.parametrize("on_gpu", [False, True])
@pytest.mark.parametrize("given", [(False, 0), (True, 1), (True, 30)])
def test_what_is_given_stays(given, on_gpu):
    config = TrainConfig(augment_on_device=given[0], evaluate_every=given[1])
    images = ImageData("toy", split(50), split(10))
    assert placement.resolve(config, images, on_gpu) == config


@pytest.fixture
def memory(monkeypatch) -> dict[str, int | None]:
    """Bytes of each device's memory, to be set by a test."""
    totals = {"GPU:0": 10 * GIB, "GPU:1": 10 * GIB}
    monkeypatch.setattr(placement.devices, "total_bytes", totals.get)
    return totals


def processes(*devices: str) -> types.SimpleNamespace:
    return types.SimpleNamespace(devices=devices or ("",))


def resolved(**changes) -> TrainConfig:
    return TrainConfig(**{"augment_on_device": True, **changes})


def test_images_fit_up_to_their_share_of_the_memory(memory):
    train = split(100, 8)  # 19,200 bytes.
    memory["GPU:0"] = 64_000
    assert placement.fits(
        resolved(device_data_fraction=0.3), train, processes()
    )
    memory["GPU:0"] = 63_999
    assert not placement.fits(
        resolved(device_data_fraction=0.3), train, processes()
    )
    assert placement.fits(
        resolved(device_data_fraction=0.31), train, processes()
    )


def test_they_have_to_fit_on_every_device(memory):
    both = processes("GPU:0", "GPU:1")
    assert placement.fits(resolved(), split(9), both)
    memory["GPU:1"] = 100
    assert not placement.fits(resolved(), split(9), both)
    memory["GPU:1"] = None  # Nobody knows.
    assert not placement.fits(resolved(), split(9), both)


@pytest.mark.parametrize(
    "changes",
    [{"device_data_fraction": 0.0}, {"augment_on_device": False}],
)
def test_they_stay_on_the_host_where_it_is_asked_for(memory, changes):
    assert placement.fits(resolved(), split(9), processes())
    assert not placement.fits(resolved(**changes), split(9), processes())


def test_images_that_are_streamed_stay_on_the_host(memory):
    images = np.zeros((7, 4, 6, 3), np.uint8)
    assert not placement.fits(resolved(), streamed(images), processes())


@pytest.mark.parametrize(
    ("replicas", "gpus", "changes", "views", "locally"),
    [
        (2, True, {}, True, True),
        (2, True, {"sync_batch_norm": True}, True, False),
        (2, True, {"shard_bank": True}, True, False),
        (2, False, {}, False, False),
        (1, True, {}, False, False),  # Keras has the whole step compiled.
        (1, False, {}, False, False),
    ],
)
def test_parts_are_compiled_where_replicas_are_gpus(
    monkeypatch, replicas, gpus, changes, views, locally
):
    monkeypatch.setattr(placement, "accelerated", lambda strategy: gpus)
    model = types.SimpleNamespace(
        distribute_strategy=types.SimpleNamespace(
            num_replicas_in_sync=replicas
        ),
        compiles_views=False,
        compiles_locally=False,
    )
    placement.compile_parts(model, TrainConfig(**changes))
    assert (model.compiles_views, model.compiles_locally) == (views, locally)
