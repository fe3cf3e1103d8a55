"""The images of a picture: fetched by number, cut and scaled to one size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

# All images of a split, uint8 [N, H, W, 3], or, where they are not in memory,
# a function from sample numbers, int64 [m], to those m images.
Images = np.ndarray | Callable[[np.ndarray], Sequence[np.ndarray]]


def take(images: Images, numbers: np.ndarray) -> Sequence[np.ndarray]:
    """The images with these sample numbers, in their order.

    Args:
        images: uint8 [N, H, W, 3], or a function that fetches by number.
        numbers: Sample numbers, int64 [m].

    Returns:
        m images, each uint8 [H, W, 3].

    Raises:
        ValueError: The function answered with another number of images.
    """
    if not callable(images):
        return images[numbers]
    taken = images(numbers)
    if len(taken) != len(numbers):
        raise ValueError(
            f"Expected one image for each of the {len(numbers)} numbers asked "
            f"for. Received: {len(taken)}."
        )
    return taken


def tile(image: np.ndarray, side: int) -> np.ndarray:
    """The centre square of an image at another size, its pixels visible.

    Args:
        image: uint8 [H, W, 3].
        side: Where it is larger than the image, pixels are repeated until it
            is reached; what is too large then is averaged down.

    Returns:
        uint8 [side, side, 3].
    """
    height, width = image.shape[:2]
    square = min(height, width)
    top, left = (height - square) // 2, (width - square) // 2
    cut = image[top : top + square, left : left + square]
    times = -(-side // square)
    enlarged = cut.repeat(times, axis=0).repeat(times, axis=1)
    if len(enlarged) == side:
        return enlarged
    reduced = Image.fromarray(enlarged).resize(
        (side, side), Image.Resampling.BOX
    )
    return np.asarray(reduced)
