"""What a run's checkpoints hold, and how a model takes it up again."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any

from and_tf import data
from and_tf.data.preprocessing import normalisation
from and_tf.data.split import ImageData, Split
from and_tf.method.encoder_model import Pretext
from and_tf.training.callbacks.checkpointing import state
from and_tf.training.checkpoint import Checkpoint
from and_tf.training.config import TrainConfig
from and_tf.utils.errors import InputError


def first_metadata(config: TrainConfig, images: ImageData) -> dict[str, Any]:
    """What the checkpoints of a new run carry beside its arrays.

    `encoder` alone is enough to build the encoder again, without the data.
    """
    mean, std = normalisation(config.dataset)
    return {
        "encoder": {
            "name": config.backbone,
            "image_size": data.resolve_image_size(
                config.image_size, images.train
            ),
            "embedding_dim": config.embedding_dim,
            "width": config.width,
            "mean": mean,
            "std": std,
        },
        "num_examples": images.train.size,
        "data": fingerprint(images.train),
        "history": [],
        "seconds": 0.0,
        "baselines": {},
    }


def fingerprint(split: Split, named: bool = True) -> str:
    """What tells one set of images from another of the same size.

    Their names and classes; pixels are not read, as one version of a decoder
    may give others than the next.

    Args:
        split: The images.
        named: Whether the names of the classes count.
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
    """Puts a run's state back into its model.

    Args:
        model: The model that `build_model` makes.
        checkpoint: The run's.
        images: Its data set.
        groups: Which parts; all of them to go on training.

    Raises:
        InputError: If the checkpoint is of other images or another model, or
            was written without one of the parts.
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
    # Labels that are numbers alone had no names when older runs began.
    unnamed = fingerprint(images.train, named=False)
    if data_mark not in (None, unnamed, fingerprint(images.train)):
        raise InputError(
            f"Expected the training images that the run in {checkpoint.path} "
            f"began with, as it refers to them by their numbers. Received "
            f"others in {images.train.name}: as many, but of other names or "
            "classes. Restore the data, or begin another run with another "
            "--run_dir."
        )
    for group, variables in state(model).items():
        # Metrics are sums over an epoch, which begin with each.
        begins = group == "metrics" and not checkpoint.step
        if group in groups and not begins:
            checkpoint.restore(group, variables)
