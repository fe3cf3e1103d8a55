"""Write the paper's views once more, by Pillow, one image at a time."""

from __future__ import annotations

import itertools
import math

import numpy as np
from PIL import Image, ImageEnhance

# As and_tf.augmentation.view lays a view's uniforms out: areas, ratios,
# positions, flip, order, factors, hue, greyscale.
COLUMNS = (10, 10, 2, 1, 1, 3, 1, 1)
ORDERS = tuple(itertools.permutations(range(4)))
SIDE = 32


def pillow_views(images: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Return views of some images, uint8 [b, S, S, 3]."""
    return np.stack(
        [
            np.asarray(pillow_view(Image.fromarray(image), draws))
            for image, draws in zip(images, uniforms, strict=True)
        ]
    )


def pillow_view(image: Image.Image, draws: np.ndarray) -> Image.Image:
    """Return the view that `and_tf.augmentation` gives, by Pillow.

    Args:
        image: RGB.
        draws: float32 [29].
    """
    areas, ratios, positions, _, order, factors, hue, grey = np.split(
        draws, np.cumsum(COLUMNS)[:-1]
    )
    box = crop_box(areas, ratios, positions, *image.size)
    image = image.crop(box).resize((SIDE, SIDE), Image.BILINEAR)
    brightness, contrast, saturation = 0.6 + 0.8 * factors
    operations = (
        lambda x: ImageEnhance.Brightness(x).enhance(brightness),
        lambda x: ImageEnhance.Contrast(x).enhance(contrast),
        lambda x: ImageEnhance.Color(x).enhance(saturation),
        lambda x: turn_hue(x, 0.4 * (2 * hue[0] - 1)),
    )
    for number in ORDERS[int(order[0] * len(ORDERS))]:
        image = operations[number](image)
    return image.convert("L").convert("RGB") if grey[0] < 0.2 else image


def crop_box(
    areas: np.ndarray,
    ratios: np.ndarray,
    positions: np.ndarray,
    width: int,
    height: int,
) -> tuple[int, int, int, int]:
    """Return the first try that fits, as torchvision's crop does.

    Returns:
        Left, top, right, bottom. Where no try fits, the whole image, which
        is right for a square one.
    """
    low, high = math.log(3 / 4), math.log(4 / 3)
    for area, ratio in zip(areas, ratios, strict=True):
        pixels = (0.2 + 0.8 * area) * width * height
        aspect = math.exp(low + ratio * (high - low))
        w, h = (
            round(math.sqrt(pixels * aspect)),
            round(math.sqrt(pixels / aspect)),
        )
        if 0 < w <= width and 0 < h <= height:
            top = int(positions[0] * (height - h + 1))
            left = int(positions[1] * (width - w + 1))
            return left, top, left + w, top + h
    return 0, 0, width, height


def turn_hue(image: Image.Image, turns: float) -> Image.Image:
    """Move the hue in HSV, as torchvision does with Pillow."""
    hue, saturation, value = image.convert("HSV").split()
    moved = np.asarray(hue) + np.uint8(round(turns * 255) % 256)
    channels = Image.fromarray(moved), saturation, value
    return Image.merge("HSV", channels).convert("RGB")
