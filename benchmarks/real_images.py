"""Images that a benchmark of an encoder runs on."""

from __future__ import annotations

import numpy as np

from and_tf.data.pipeline import clean_batches
from and_tf.data.split import ImageData


def clean_views(data: ImageData, image_size: int, count: int) -> np.ndarray:
    """The first clean views of the test split, else of the training split.

    Args:
        data: A run's data set.
        image_size: S.
        count: How many; fewer where the split has fewer.

    Returns:
        uint8 [count, S, S, 3].
    """
    batches = clean_batches(data.test or data.train, image_size, count)
    images, _ = next(batches.as_numpy_iterator())
    return images
