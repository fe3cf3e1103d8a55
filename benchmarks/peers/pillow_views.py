"""The peers' views by lightly's own transforms, one image at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from lightly import transforms
from PIL import Image
from torch.utils.data import Dataset

Pair = tuple[torch.Tensor, torch.Tensor]


def transform(side: str, view_size: int) -> Callable[[Image.Image], list]:
    """Return the transform of lightly's benchmark for a peer.

    Args:
        side: A key of `setting.PEERS`.
        view_size: Side of a view in pixels.

    Returns:
        A function from an image to two views, float32 [3, S, S].
    """
    options = {"input_size": view_size, "gaussian_blur": 0.0}
    if side in ("simclr", "nnclr"):
        return transforms.SimCLRTransform(cj_strength=0.5, **options)
    if side == "vicreg":
        return transforms.VICRegTransform(cj_strength=0.5, **options)
    if side == "simsiam":
        return transforms.SimSiamTransform(**options)
    return transforms.BYOLTransform(
        transforms.BYOLView1Transform(**options),
        transforms.BYOLView2Transform(**options),
    )


class PillowViews(Dataset):
    """Makes two views of each image of a batch.

    Args:
        images: uint8 [N, H, W, 3].
        side: A key of `setting.PEERS`.
        view_size: S, the side of a view in pixels.
    """

    def __init__(self, images: np.ndarray, side: str, view_size: int) -> None:
        self._images = images
        self._transform = transform(side, view_size)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, numbers: Sequence[int]) -> Pair:
        """Return two float32 [b, 3, S, S], normalised, channels last."""
        pairs = [
            self._transform(Image.fromarray(self._images[number]))
            for number in numbers
        ]
        return tuple(
            torch.stack(views).contiguous(memory_format=torch.channels_last)
            for views in zip(*pairs, strict=True)
        )
