"""A few images of a split, to look at."""

from __future__ import annotations

import numpy as np

from and_tf.data.split import Split, take
from and_tf.preprocessing import centre_square


def pictures(split: Split, numbers: np.ndarray, side: int = 64) -> np.ndarray:
    """The images of some samples, uint8 [m, H, W, 3].

    From a streamed split, the clean view at `side`; one pass over the disk
    that decodes no others.

    Args:
        split: Any split.
        numbers: integer [m].
        side: Of streamed images.
    """
    if split.held:
        return split.images[numbers]
    chosen, places = np.unique(numbers, return_inverse=True)
    images = [
        centre_square(image, side).numpy()
        for image, _ in take(split, chosen).stream(None)
    ]
    return np.stack(images)[places]
