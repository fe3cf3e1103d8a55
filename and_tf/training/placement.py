"""Fits a run to the devices that it trains on."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from and_tf.data.split import ImageData, Split
from and_tf.distribution import devices
from and_tf.distribution.process_group import ProcessGroup
from and_tf.distribution.strategy import accelerated
from and_tf.method.encoder_model import Pretext
from and_tf.training.config import TrainConfig

EVALUATION_SHARE = 0.05  # Share of the training time.
# Beside a GPU's training, an evaluation takes longer than its passes through
# the encoder, as the host reads images and files. The factor is a guess that
# was not measured.
GPU_OVERHEAD = 5.0


def resolve(
    config: TrainConfig, images: ImageData, on_gpu: bool
) -> TrainConfig:
    """Fills in the flags that depend on the devices and the data.

    Two runs with the same flags, data and kind of device get the same values,
    so a resumed run is evaluated in the same epochs.

    Args:
        config: The flags of the run.
        images: The data set.
        on_gpu: Whether all devices are GPUs.
    """
    known: dict[str, Any] = {}
    if config.augment_on_device is None:
        known["augment_on_device"] = on_gpu
    if config.evaluate_every < 0:
        known["evaluate_every"] = evaluation_interval(
            images.train.size,
            images.test.size if images.test else 0,
            has_bank=config.has_bank,
            on_gpu=on_gpu,
        )
    return dataclasses.replace(config, **known)


def evaluation_interval(
    train: int, test: int, *, has_bank: bool, on_gpu: bool
) -> int:
    """Returns the number of epochs between two evaluations.

    Evaluations take up to `EVALUATION_SHARE` of the time of training. An epoch
    passes each training image forwards and, at twice the cost, backwards; an
    evaluation passes each test image forwards and, without a bank, the
    training images too. The search among embeddings takes little time beside
    that.

    Args:
        train: The number of training images.
        test: The number of test images; 0 leaves one training image out after
            another.
        has_bank: Whether the gallery is a memory bank, which needs no passes.
        on_gpu: Whether training is on GPUs.

    Returns:
        The number of epochs, at least 1.
    """
    # Searching the bank for its own rows takes about as long as passing a
    # quarter of the images through a small encoder.
    queries = test or (train / 4 if has_bank else 0)
    passed = queries + (0 if has_bank else train)
    share = passed / (3 * train) * (GPU_OVERHEAD if on_gpu else 1.0)
    return max(1, math.ceil(share / EVALUATION_SHARE))


def fits(config: TrainConfig, train: Split, processes: ProcessGroup) -> bool:
    """Returns whether each GPU should hold the training images.

    Args:
        config: The flags of the run, as `resolve` returns them.
        train: The training images.
        processes: The processes that train together, on GPUs.
    """
    if not (train.held and config.augment_on_device):
        return False
    if not config.device_data_fraction:
        return False
    assert train.image_shape is not None  # As the images are in memory.
    size = train.size * train.channels * math.prod(train.image_shape)
    names = [name or "GPU:0" for name in processes.devices]
    totals = [devices.total_bytes(name) for name in names]
    return all(
        total is not None and size <= config.device_data_fraction * total
        for total in totals
    )


def compile_parts(model: Pretext, config: TrainConfig) -> None:
    """Sets the parts of a step that XLA compiles with several replicas.

    On CPUs it compiles no part, as its convolutions are slower there than
    TensorFlow's. One replica is left to `fit_loop.step_function`.

    Args:
        model: The model, before its first step.
        config: The flags of the run.
    """
    strategy = model.distribute_strategy
    if strategy.num_replicas_in_sync > 1 and accelerated(strategy):
        model.compiles_views = True
        exchange = config.sync_batch_norm or config.shard_bank
        model.compiles_locally = not exchange
