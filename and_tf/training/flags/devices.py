"""Defines the flags of how a run is computed."""

from __future__ import annotations

import dataclasses

from and_tf.utils import bounds
from and_tf.utils.flag_config import Group, option


@dataclasses.dataclass(frozen=True)
class DeviceFlags:
    """Devices, precision, and the seed of all that is random."""

    augment_on_device: bool | None = option(
        Group.DEVICES,
        None,
        "Augment images on the device, inside the training step, instead of "
        "beside it on the CPU. If it is not given, images are augmented on "
        "the device where that is a GPU.",
        type=bool,
        free=True,
    )
    device_data_fraction: float = option(
        Group.DEVICES,
        0.3,
        "Largest share of a GPU's memory that the training images may take. "
        "If they fit in it, are held in memory and are augmented on the "
        "device, they are kept on the GPU, so that no step has to send any. 0 "
        "never keeps them there.",
        unit="share",
        least=0.0,
        most=0.9,
        free=True,
    )
    precision: str = option(
        Group.DEVICES,
        "float32",
        "Keras' precision policy; the mixed ones compute the network in half "
        "precision, for GPUs that are faster at it. Norms and the loss are "
        "always computed in float32.",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )
    sync_batch_norm: bool = option(
        Group.DEVICES,
        False,
        "Compute batch normalisation over the images of all devices, which "
        "gives the results of one device with the whole batch. Without this "
        "flag each device uses its own images, which is faster.",
    )
    shard_bank: bool = option(
        Group.DEVICES,
        False,
        "Spread the rows of the memory bank over the devices, for banks that "
        "are too large for one. The results are the same.",
        free=True,
    )
    loss_block_rows: int = option(
        Group.DEVICES,
        0,
        "Number of rows of the memory bank that the loss takes at a time; "
        "fewer need less memory. 0 chooses by the device.",
        unit="rows",
        least=0,
        most=bounds.INT32,
        free=True,
    )
    seed: int = option(
        Group.SCHEDULE,
        0,
        "Random seed for weights, data order, views and subsets.",
        unit="seed",
        least=0,
        most=bounds.SEED,
    )
