"""The images of a picture, and what is known about each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from and_tf.figures import canvas
from and_tf.figures.canvas import Colour

MAX_SHEET = 8192  # A side of the largest texture of TensorBoard's projector.

# All images of a split, uint8 [N, H, W, 3], or, where they are not in memory,
# a function from sample numbers, int64 [m], to those m images.
Images = np.ndarray | Callable[[np.ndarray], Sequence[np.ndarray]]


def take(images: Images, numbers: np.ndarray) -> Sequence[np.ndarray]:
    """Returns the images with these sample numbers, in their order.

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
    """Scales the centre square of an image, so that its pixels stay visible.

    Args:
        image: uint8 [H, W, 3].
        side: Of the result. Pixels of a smaller image are repeated until it
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


def sprite(images: Sequence[np.ndarray], side: int = 32) -> np.ndarray:
    """Lays images out on one sheet, as TensorBoard's projector wants them.

    Args:
        images: n images, each uint8 [H, W, 3], placed row by row.
        side: Pixels a side of each image on the sheet.

    Returns:
        uint8 [rows * side, columns * side, 3] with columns = ceil(sqrt(n)) and
        as many rows as are needed; places that are left over are white.

    Raises:
        ValueError: No image, or more than a sheet of 8,192 pixels a side holds.
    """
    largest = (MAX_SHEET // side) ** 2
    if not 1 <= len(images) <= largest:
        raise ValueError(
            f"Expected 1 to {largest} images of {side} pixels a side for one "
            f"sprite sheet. Received: {len(images)}."
        )
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    sheet = np.full((rows, side, columns, side, 3), 255, np.uint8)
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        sheet[row, :, column] = tile(image, side)
    return sheet.reshape(rows * side, columns * side, 3)


def class_name(
    number: int, labels: np.ndarray | None, class_names: Sequence[str] | None
) -> str:
    """Returns the name of a sample's class, "" where it is not known.

    Args:
        number: The sample's.
        labels: int64 [N], −1 where unlabelled, or None.
        class_names: Names of the labels; without them their numbers are used.
    """
    if labels is None or labels[number] < 0:
        return ""
    return class_names[labels[number]] if class_names else str(labels[number])


def verdict(anchor: str, neighbour: str) -> tuple[Colour, str]:
    """Compares two names of classes, as `class_name` gives them.

    Returns:
        The colour of a neighbour, and the mark before its class: green and ✓
        if it has its anchor's class, red and ✗ if it has another, grey and ""
        if either is not known.
    """
    if not anchor or not neighbour:
        return canvas.GREY, ""
    if anchor == neighbour:
        return canvas.GREEN, "✓ "
    return canvas.VERMILION, "✗ "
