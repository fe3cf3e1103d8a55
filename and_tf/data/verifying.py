"""Decodes every streamed file once in advance, to find unreadable ones.

An image keeps its number, its row in the memory bank, for a whole run, and
files that are left out have no number. So they have to be known before
training begins. A split in memory is decoded at that time anyway. Of a
streamed split, every file is decoded and the pixels are discarded. This takes
about as long as the decoding of one epoch. The list of broken files is cached
beside the decoded images and stays valid until a file changes.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from and_tf.data import decode_cache, parallelism
from and_tf.data.in_memory import entry_name, without
from and_tf.data.split import Split, take
from and_tf.utils.progress import Counted

_GROUP = 64
# With fewer files, the list is not cached and no progress is shown.
LEAST = 1_000


def verified(split: Split) -> Split:
    """Leaves out files that cannot be decoded, and names them in `skipped`.

    Files that could not be read the last time are tried again, as a disk or a
    network may have been the reason.

    Args:
        split: A streamed split of files; others are returned as they are.

    Returns:
        A streamed split of the images that `hold` would keep, in the same
        order.
    """
    if split.file_names is None:
        return split
    name = entry_name(split, "verified")
    before = _recall(name)
    tried = np.arange(split.size) if before is None else before
    broken = tried[_broken(take(split, tried))] if len(tried) else tried
    if name is not None and split.size >= LEAST:
        counted = np.array([len(broken), *broken], np.int64)
        decode_cache.keep(name, counted.view(np.uint8), least=0)
    return without(split, broken)


def _recall(name: str | None) -> np.ndarray | None:
    """Returns the numbers of broken files, int64 `[b]`; None if unknown."""
    entry = None if name is None else decode_cache.recall(name)
    return None if entry is None else entry.view(np.int64)[1:]


def _broken(split: Split) -> np.ndarray:
    """Decodes all images and returns a mask of broken ones, bool `[N]`."""
    stream = split.encoded_stream

    def is_broken(encoded: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        image = stream.decode(stream.unpack(encoded))
        return tf.equal(tf.size(image), 0)

    batches = parallelism.fixed(
        stream.kept(None)
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
