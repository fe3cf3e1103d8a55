"""Many small images on one sheet, as TensorBoard's projector wants them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from and_tf.figures.tiles import tile

MAX_SIDE = 8192  # The largest texture that TensorBoard's projector loads.


def sprite(images: Sequence[np.ndarray], side: int = 32) -> np.ndarray:
    """Lays images out row by row on one sheet that is as square as it can be.

    Args:
        images: n images, each uint8 [H, W, 3].
        side: Pixels a side of each image on the sheet.

    Returns:
        uint8 [rows * side, columns * side, 3] with columns = ceil(sqrt(n)) and
        as many rows as are needed; places that are left over are white.

    Raises:
        ValueError: No image, or more than a sheet of 8,192 pixels a side holds.
    """
    largest = (MAX_SIDE // side) ** 2
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
