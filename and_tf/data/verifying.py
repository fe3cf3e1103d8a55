"""Finds the images that cannot be decoded before training begins.

An image keeps its number, its row in the memory bank, for a whole run, and
images that are left out have no number. So they have to be known before
training begins. A split in memory is decoded at that time anyway. Of a
streamed split, every image is decoded and the pixels are discarded. This takes
about as long as the decoding of one epoch. The list of broken images is cached
beside the decoded images and stays valid until a file changes.

An image that cannot be decoded was like that when its data set was made, so it
is left out. A file of records that is damaged or cut short is another matter:
TensorFlow can read nothing that follows in that file, which may be a tenth of
the images or all of them, and whoever trains on what is left has another data
set without having chosen it. The file is only a copy, which can be made again.
So the run ends with a sentence that names the file, before it has trained.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from and_tf.data import decode_cache, parallelism
from and_tf.data.attempt import attempt, in_parallel
from and_tf.data.split import Split, take
from and_tf.data.walking import Skipped
from and_tf.utils.progress import Counted

_GROUP = 64
# With fewer images, the list is not cached and no progress is shown.
LEAST = 1_000


def verified(split: Split) -> Split:
    """Leaves out images that cannot be decoded, and names them in `skipped`.

    Files that could not be read the last time are tried again, as a disk or a
    network may have been the reason. Records are not: their bytes were whole,
    or reading them would have failed.

    Args:
        split: A streamed split.

    Returns:
        A streamed split of the images that `hold` would keep, in the same
        order.

    Raises:
        InputError: If a file of records is damaged.
    """
    broken = recall(split)
    if broken is not None and split.file_names is None:
        return without(split, broken)
    tried = np.arange(split.size) if broken is None else broken
    broken = tried[_broken(take(split, tried))] if len(tried) else tried
    remember(split, broken)
    return without(split, broken)


def without(
    split: Split, broken: np.ndarray, streamed: Split | None = None
) -> Split:
    """Leaves out images that cannot be read, and names them in `skipped`.

    Args:
        split: Any split.
        broken: int64 `[b]`, the sample numbers of the unreadable images.
        streamed: The split that the images of `split` were read from, if that
            is another one. It knows their names, and what is wrong with them.
    """
    if not len(broken):
        return split
    known = streamed or split
    skipped = set(split.skipped)
    for number in broken:
        why = known.encoded_stream.why_not(number)
        skipped.add(Skipped(known.name_of(number), why))
    good = np.delete(np.arange(split.size), broken)
    return take(split, good, tuple(sorted(skipped)))


def entry_name(split: Split, *more: object) -> str | None:
    """Names a split's entry in the cache, see `decode_cache.identity`.

    Args:
        split: A split whose stream is a `Stream`.
        *more: Further values that the content of the entry depends on.
    """
    stream = split.encoded_stream
    name, renumber = stream.identity(), stream.renumber
    if name is None:
        return None
    chosen = None if renumber is None else renumber.tobytes()
    return decode_cache.identity([], name, *more, chosen)


def recall(split: Split) -> np.ndarray | None:
    """Returns the numbers of broken images, int64 `[b]`; None if unknown."""
    name = entry_name(split, "verified")
    entry = None if name is None else decode_cache.recall(name)
    return None if entry is None else entry.view(np.int64)[1:]


def remember(split: Split, broken: np.ndarray) -> None:
    """Caches the list of broken images, unless the split is small.

    Args:
        split: A split whose stream is a `Stream`.
        broken: int64 `[b]`, the sample numbers of the unreadable images.
    """
    name = entry_name(split, "verified")
    if name is not None and split.size >= LEAST:
        counted = np.array([len(broken), *broken], np.int64)
        decode_cache.keep(name, counted.view(np.uint8), least=0)


def _broken(split: Split) -> np.ndarray:
    """Decodes all images and returns a mask of broken ones, bool `[N]`."""
    marks = []
    batches = parallelism.fixed(
        _marks(split).batch(_GROUP).prefetch(tf.data.AUTOTUNE)
    )
    try:
        with Counted("check images", split.size) as progress:
            for batch in batches.as_numpy_iterator():
                marks.append(batch)
                if split.size >= LEAST:
                    progress.advance(len(batch))
    except (tf.errors.OpError, UnicodeDecodeError) as error:
        raise split.encoded_stream.refusal(error) from error
    return np.concatenate(marks)


@tf.autograph.experimental.do_not_convert
def _marks(split: Split) -> tf.data.Dataset:
    """Returns a data set of whether each image is broken, bool `[]`."""
    stream = split.encoded_stream

    def is_broken(encoded: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        image = stream.decode(stream.unpack(encoded))
        # The answer is read off a pixel, since TensorFlow would derive it from
        # a shape that is known and then not decode the image. Of no pixels,
        # the maximum is the least int32.
        return tf.reduce_max(tf.cast(image[:1, :1], tf.int32)) < 0

    def tried(*element: tf.Tensor) -> tf.data.Dataset:
        return attempt(
            is_broken, element, tf.data.Dataset.from_tensors(tf.constant(True))
        )

    encoded = stream.kept(None)
    if stream.raises:
        return in_parallel(encoded, tried)
    return encoded.map(is_broken, num_parallel_calls=tf.data.AUTOTUNE)
