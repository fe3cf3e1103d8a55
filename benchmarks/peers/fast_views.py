"""The peers' views on whole batches, by the numbers of lightly's transforms.

Each image has its own crop, flip and colours. It differs from `pillow_views` in
four things: the changes of colour come in one order for a batch, drawn
anew for each; values are floats and not rounded to 256 steps in between; a crop
need not begin or end with a whole pixel; and it is not smoothed where it
shrinks, which at 32 pixels it never does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import Dataset

from benchmarks.peers.recipes import MEAN, RECIPES, STD, Recipe

Pair = tuple[torch.Tensor, torch.Tensor]
LUMA = (0.299, 0.587, 0.114)  # Pillow's, and torchvision's.
RATIOS = math.log(3 / 4), math.log(4 / 3)


class FastViews(Dataset):
    """Makes two views of each image of a batch.

    Args:
        images: uint8 [N, H, W, 3].
        side: A key of `setting.PEERS`.
        view_size: S, the side of a view in pixels.
    """

    def __init__(self, images: np.ndarray, side: str, view_size: int) -> None:
        self._images = torch.from_numpy(images)
        self._recipes = RECIPES[side]
        self._size = view_size

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, numbers: Sequence[int]) -> Pair:
        """Return two float32 [b, 3, S, S], normalised, channels last."""
        images = self._images[torch.as_tensor(numbers)].permute(0, 3, 1, 2)
        images = images.float().div_(255)
        a, b = (views(images, r, self._size) for r in self._recipes)
        return a, b


def views(images: torch.Tensor, recipe: Recipe, size: int) -> torch.Tensor:
    """Return a normalised view of each image.

    Args:
        images: float32 [b, 3, H, W], values 0..1.
        recipe: What is done.
        size: S.

    Returns:
        float32 [b, 3, S, S], channels last.
    """
    x = crop(images, recipe, size)
    x = torch.where(_chosen(x, recipe.jitter), jitter(x, recipe), x)
    x = torch.where(_chosen(x, recipe.greyscale), _grey(x), x)
    if recipe.solarize:
        # Pillow inverts values from 128 on.
        inverted = torch.where(x >= 128 / 255, 1 - x, x)
        x = torch.where(_chosen(x, recipe.solarize), inverted, x)
    x = (x - _channels(MEAN)) / _channels(STD)
    return x.contiguous(memory_format=torch.channels_last)


def crop(images: torch.Tensor, recipe: Recipe, size: int) -> torch.Tensor:
    """Crop, resize and flip by one bilinear sampling of each image.

    An area and a ratio that do not fit are drawn again, ten times at most, as
    torchvision does; then it is the whole image.
    """
    count = len(images)
    area = _uniform((count, 10), recipe.smallest_crop, 1.0)
    ratio = _uniform((count, 10), *RATIOS).exp()
    sides = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], -1)
    fits = (sides <= 1).all(-1)
    first = fits.float().argmax(1)  # 0 where none fits.
    chosen = sides[torch.arange(count), first]  # [b, 2], width and height.
    chosen = torch.where(fits.any(1)[:, None], chosen, 1.0)
    centre = (torch.rand(count, 2) * 2 - 1) * (1 - chosen)
    mirrored = 1 - 2 * (torch.rand(count) < recipe.flip).float()
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = chosen[:, 0] * mirrored
    theta[:, 1, 1] = chosen[:, 1]
    theta[:, :, 2] = centre
    grid = functional.affine_grid(
        theta, [count, 3, size, size], align_corners=False
    )
    return functional.grid_sample(
        images, grid, padding_mode="border", align_corners=False
    )


def jitter(x: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """Change brightness, contrast, saturation and hue, in random order."""
    changes = (
        lambda x: _blend(x, torch.zeros(()), recipe.brightness),
        lambda x: _blend(
            x, _grey(x).mean((1, 2, 3), keepdim=True), recipe.contrast
        ),
        lambda x: _blend(x, _grey(x), recipe.saturation),
        lambda x: turn_hue(
            x, _uniform((len(x), 1, 1), -recipe.hue, recipe.hue)
        ),
    )
    for number in torch.randperm(len(changes)):
        x = changes[number](x)
    return x


def turn_hue(x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Move the hue in HSV.

    With the hue h in sixths, value v and chroma c, a channel is
    v − c · clip(min(k, 4 − k), 0, 1), where k = (n + h) mod 6 and n is 5, 3
    and 1 for red, green and blue.

    Args:
        x: float32 [b, 3, H, W], values 0..1.
        turns: float32 [b, 1, 1], turns of the colour wheel.
    """
    value, chroma = x.amax(1), x.amax(1) - x.amin(1)
    red, green, blue = x.unbind(1)
    safe = chroma.clamp(min=1e-8)
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(
            value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe
        ),
    )
    hue = hue + 6 * turns
    moved = []
    for n in (5, 3, 1):
        k = (n + hue) % 6
        moved.append(value - chroma * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(moved, 1)


def _blend(x: torch.Tensor, other: torch.Tensor, spread: float) -> torch.Tensor:
    factor = _uniform((len(x), 1, 1, 1), 1 - spread, 1 + spread)
    return (factor * x + (1 - factor) * other).clamp(0, 1)


def _grey(x: torch.Tensor) -> torch.Tensor:
    return (x * _channels(LUMA)).sum(1, keepdim=True).expand_as(x)


def _chosen(x: torch.Tensor, probability: float) -> torch.Tensor:
    return torch.rand(len(x), 1, 1, 1) < probability


def _channels(values: Sequence[float]) -> torch.Tensor:
    return torch.tensor(values)[:, None, None]


def _uniform(shape: Sequence[int], low: float, high: float) -> torch.Tensor:
    return low + (high - low) * torch.rand(*shape)
