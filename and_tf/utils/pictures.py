"""Shows images of any channels to people, without TensorFlow."""

from __future__ import annotations

import numpy as np


def picture(images: np.ndarray) -> np.ndarray:
    """Returns what people are shown of images of any channels.

    Args:
        images: uint8 `[…, C]`.

    Returns:
        uint8 `[…, 3]`: RGB; grey, also of the first of two channels; or the
        first three channels, which of four are RGB on white if they are the
        channels of RGBA.
    """
    channels = images.shape[-1]
    if channels == 3:
        return images
    return images[..., [0, 0, 0] if channels < 3 else [0, 1, 2]]
