"""Computes the features of a frozen trunk, or takes those of an earlier pass.

A pass over all images takes minutes, and many commands make the same one: a run
that begins with trained weights, and each clustering of it on frozen features.
The features go to the cache that holds decoded images, too, which is bounded,
and can be emptied at any time.

An entry is named after all that the features depend on: the weights and the
description of the trunk, the pixels, and how it is computed. So the features
are those that a pass would compute. Trunks whose code can change, without a
change in their description, are not kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from and_tf.data import decode_cache, verifying
from and_tf.data.split import Split, Stream
from and_tf.distribution.process_group import ProcessGroup
from and_tf.encoders import weights
from and_tf.evaluation.embeddings import embed
from and_tf.utils.progress import Counted

# Smaller features take seconds to compute, and larger ones would leave no
# room for others.
LEAST_BYTES = 2**20
MOST_BYTES = decode_cache.MOST_BYTES // 4
# Trunks of a user's code or file, which may be another one tomorrow.
_OUTSIDE = ("function", "path")
_VERSION = 1  # Increase it when the same trunk gives other features.


def features_of(
    trunk: keras.Model,
    split: Split,
    image_size: int,
    description: Mapping[str, Any],
) -> np.ndarray:
    """Computes the features of a split's clean views, or recalls them.

    Args:
        trunk: A model from images [B, S, S, 3] to features [B, F].
        split: The N images.
        image_size: The side S of the views in pixels.
        description: The arguments with which `encoders.build` made the
            encoder that the trunk is a part of.

    Returns:
        float32 [N, F], in the order of the sample ids.
    """
    name = _name(trunk, split, image_size, description)
    kept = None if name is None else decode_cache.recall(name)
    if kept is not None:
        print(f"features of {split.name}: kept from an earlier pass")
        return kept.view(np.float32)
    with Counted(f"features of {split.name}", split.size) as progress:
        found = embed(trunk, split, image_size, progress.advance)
    found = np.ascontiguousarray(found, np.float32)
    if name is not None:
        decode_cache.keep(name, found.view(np.uint8), least=LEAST_BYTES)
    return found


def _name(
    trunk: keras.Model,
    split: Split,
    image_size: int,
    description: Mapping[str, Any],
) -> str | None:
    """Returns the name of the entry, or None if there must not be one."""
    processes = ProcessGroup(trunk.distribute_strategy)
    size = 4 * split.size * trunk.output_shape[-1]
    outside = description.get("trunk", {}).get("kind") in _OUTSIDE
    # Of several processes, some might find an entry and others none.
    if processes.several or outside or not LEAST_BYTES <= size <= MOST_BYTES:
        return None
    pixels = _identity(split)
    if pixels is None:
        return None
    return decode_cache.identity(
        [],
        "features",
        _VERSION,
        pixels,
        weights.digest(trunk),
        # A checkpoint gives it back as JSON does, with lists for tuples.
        json.dumps(description, sort_keys=True),
        image_size,
        keras.config.dtype_policy().name,
        [metadata.version(name) for name in ("tensorflow", "keras", "numpy")],
        sorted(
            device.device_type for device in tf.config.get_visible_devices()
        ),
        processes.strategy.num_replicas_in_sync,
    )


def _identity(split: Split) -> str | None:
    """Returns a name for the pixels of a split; None if it is unknown."""
    if split.held:
        found = hashlib.sha256(repr(split.images.shape).encode())
        found.update(np.ascontiguousarray(split.images).data)
        return found.hexdigest()
    if isinstance(split.stream, Stream):
        return verifying.entry_name(split)
    return None
