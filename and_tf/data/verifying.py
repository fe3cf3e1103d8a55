"""Streamed files, each decoded once beforehand to know which can be.

An image has one number for a whole run, its row in the memory bank, and what
is left out has none. So it has to be known before training begins. A set that
is held in memory is decoded then anyway; of one that is streamed, every file
is decoded and thrown away. That takes about as long as an epoch's decoding,
once: which files are broken is kept beside the decoded images, and holds for
as long as no file changes.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from and_tf.data import decode_cache, parallelism
from and_tf.data.in_memory import entry_name, without
from and_tf.data.split import Split, take
from and_tf.utils.progress import Counted

_GROUP = 64
LEAST = 1_000  # Files; of fewer, nothing is kept, and no progress shown.


def verified(split: Split) -> Split:
    """Leaves out what cannot be decoded, and names it in `skipped`.

    What could not be read the last time is tried again, as a disk or a
    network may have been at fault.

    Args:
        split: A streamed split of files; others are returned as they are.

    Returns:
        The same images, in the same order, as `hold` would keep.
    """
    if split.file_names is None:
        return split
    name = entry_name(split, "verified")
    broken = _recall(name)
    tried = np.arange(split.size) if broken is None else broken
    if len(tried):
        broken = tried[_broken(take(split, tried))]
    if name is not None and split.size >= LEAST:
        counted = np.array([len(broken), *broken], np.int64)
        decode_cache.keep(name, counted.view(np.uint8), least=0)
    return without(split, broken)


def _recall(name: str | None) -> np.ndarray | None:
    """The numbers of the broken files, int64 `[b]`; None where unknown."""
    entry = None if name is None else decode_cache.recall(name)
    return None if entry is None else entry.view(np.int64)[1:]


def _broken(split: Split) -> np.ndarray:
    """Decodes all images, and marks those that cannot be: bool `[N]`."""

    def is_broken(encoded: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        image = split.stream.decode(split.stream.unpack(encoded))
        return tf.equal(tf.size(image), 0)

    batches = parallelism.fixed(
        split.stream.kept(None)
        .map(is_broken, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(_GROUP)
        .prefetch(tf.data.AUTOTUNE)
    )
    marks = []
    with Counted("check images", split.size) as progress:
        for batch in batches.as_numpy_iterator():
            marks.append(batch)
            if split.size >= LEAST:
                progress.advance(len(batch))
    return np.concatenate(marks)
