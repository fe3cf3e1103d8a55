"""Scales and arranges the images of a picture, and names their classes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from and_tf.figures import canvas
from and_tf.figures.canvas import Colour
from and_tf.utils.pictures import picture

# The side of the largest texture of TensorBoard's projector, in pixels.
MAX_SHEET = 8192

# Some images, uint8 [m, H, W, 3], or m images of different sizes.
Taken = np.ndarray | Sequence[np.ndarray]
# All images of a split, uint8 [N, H, W, C]. If they are not in memory, it is a
# function from sample numbers, int64 [m], to those m images.
Images = np.ndarray | Callable[[np.ndarray], Taken]


def take(images: Images, numbers: np.ndarray) -> Taken:
    """Returns the images with these sample numbers, in their order.

    Args:
        images: uint8 [N, H, W, C], or a function that fetches by number.
        numbers: Sample numbers, int64 [m].

    Returns:
        m images, each uint8 [H, W, 3], as people are shown them.

    Raises:
        ValueError: If the function returns another number of images.
    """
    if not callable(images):
        return picture(images[numbers])
    taken = images(numbers)
    if len(taken) != len(numbers):
        raise ValueError(
            f"Expected one image for each of the {len(numbers)} numbers asked "
            f"for. Received: {len(taken)}."
        )
    return [picture(image) for image in taken]


def tile(image: np.ndarray, side: int) -> np.ndarray:
    """Scales the centre square of an image, so that its pixels stay visible.

    Args:
        image: uint8 [H, W, 3].
        side: The side of the result, in pixels. Pixels of a smaller image are
            repeated until it is at least as large; a larger image is then
            reduced by averaging.

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


def sprite(images: Taken, side: int = 32) -> np.ndarray:
    """Lays images out on one sheet, as TensorBoard's projector wants them.

    Args:
        images: n images, each uint8 [H, W, 3], placed row by row.
        side: The side of each image on the sheet, in pixels.

    Returns:
        uint8 [rows * side, columns * side, 3] with columns = ceil(sqrt(n)) and
        as many rows as are needed; unused places are white.

    Raises:
        ValueError: If there is no image, or more images than fit on a sheet of
            8,192 x 8,192 pixels.
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
    """Returns the name of a sample's class, or "" if it is unknown.

    Args:
        number: The sample's number.
        labels: int64 [N], −1 for images without a label; None if there are no
            labels.
        class_names: The names of the classes; None uses their numbers.
    """
    if labels is None or labels[number] < 0:
        return ""
    return class_names[labels[number]] if class_names else str(labels[number])


def verdict(anchor: str, neighbour: str) -> tuple[Colour, str]:
    """Compares the classes of an anchor and a neighbour.

    Args:
        anchor: The name of the anchor's class, from `class_name`.
        neighbour: The name of the neighbour's class, from `class_name`.

    Returns:
        The colour of the neighbour, and the mark before its class: green and ✓
        if the classes are equal, red and ✗ if they differ, grey and "" if
        either is unknown.
    """
    if not anchor or not neighbour:
        return canvas.GREY, ""
    if anchor == neighbour:
        return canvas.GREEN, "✓ "
    return canvas.VERMILION, "✗ "
