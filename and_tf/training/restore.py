"""Makes the metadata of a run's checkpoints, and restores models from them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any

from and_tf import data
from and_tf.data.split import ImageData, Split
from and_tf.method.encoder_model import Pretext
from and_tf.training.callbacks.checkpointing import state
from and_tf.training.checkpoint import Checkpoint
from and_tf.training.config import TrainConfig
from and_tf.training.sources import Start
from and_tf.utils.errors import InputError


def first_metadata(
    config: TrainConfig, images: ImageData, start: Start
) -> dict[str, Any]:
    """Returns the metadata that a new run's checkpoints hold beside arrays.

    Its entry "encoder" is enough to build the encoder again without the data,
    and without the file or the package that its weights came from.
    """
    side = data.resolve_image_size(
        config.image_size or start.image_size, images.train
    )
    return {
        "encoder": start.describe(config, side) | images.form.description,
        "pretrained": start.pretrained,
        "num_examples": images.train.size,
        "data": fingerprint(images.train),
        "history": [],
        "seconds": 0.0,
        "baselines": {},
    }


def fingerprint(split: Split, named: bool = True) -> str:
    """Returns a hash that tells a set of images from another.

    It depends on their number, file names and class names. Pixels are not read,
    as two versions of a decoder may give different ones.

    Args:
        split: The images.
        named: Whether the hash depends on the class names.

    Returns:
        The SHA-256 hash in hexadecimal digits.
    """
    class_names = split.class_names if named else None
    names = repr((split.size, class_names, split.file_names))
    return hashlib.sha256(names.encode()).hexdigest()


def restore(
    model: Pretext,
    checkpoint: Checkpoint,
    images: ImageData,
    groups: Collection[str] = ("encoder", "method", "optimiser", "metrics"),
) -> None:
    """Restores the state of a run into its model.

    Args:
        model: The model that `trainer.build_model` makes.
        checkpoint: The checkpoint of the run.
        images: The data set of the run.
        groups: The parts to restore; training needs all of them.

    Raises:
        InputError: If the checkpoint belongs to other images or another model,
            or was written without one of the parts.
    """
    check_data(checkpoint, images)
    for group, variables in state(model).items():
        # Metrics are sums over an epoch and start anew with each of them.
        begins = group == "metrics" and not checkpoint.step
        if group in groups and not begins:
            checkpoint.restore(group, variables)


def check_data(checkpoint: Checkpoint, images: ImageData) -> None:
    """Checks that a checkpoint belongs to the images of a data set.

    Raises:
        InputError: If it belongs to others.
    """
    num_examples = checkpoint.metadata["num_examples"]
    if num_examples != images.train.size:
        raise InputError(
            f"Expected the {num_examples:,} training images that the run "
            f"began with, as it refers to them by their numbers. Received: "
            f"{images.train.size:,}. Restore the data, or begin another run "
            "with another --run_dir."
        )
    data_mark = checkpoint.metadata.get("data")
    # In older runs, labels that were only numbers had no class names.
    unnamed = fingerprint(images.train, named=False)
    if data_mark not in (None, unnamed, fingerprint(images.train)):
        raise InputError(
            f"Expected the training images that the run in {checkpoint.path} "
            f"began with, as it refers to them by their numbers. Received "
            f"others in {images.train.name}: as many, but of other names or "
            "classes. Restore the data, or begin another run with another "
            "--run_dir."
        )
