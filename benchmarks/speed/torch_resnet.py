"""ResNet18 with the CIFAR stem [1], as a PyTorch user would write it.

Its layers go by the names that `and_tf.encoders` gives them, so that both
can have the same weights.

[1] He et al., Deep Residual Learning for Image Recognition, CVPR 2016.
    https://arxiv.org/abs/1512.03385
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from and_tf.encoders import MEAN, STD
from benchmarks.speed import sides


class Block(nn.Module):
    """Two 3×3 convolutions around which the input goes."""

    def __init__(self, channels: int, filters: int, strides: int) -> None:
        super().__init__()
        self._1_conv = _conv(channels, filters, 3, strides)
        self._1_norm = nn.BatchNorm2d(filters)
        self._2_conv = _conv(filters, filters, 3)
        self._2 = nn.BatchNorm2d(filters)
        if strides > 1 or channels != filters:
            self._shortcut_conv = _conv(channels, filters, 1, strides)
            self._shortcut = nn.BatchNorm2d(filters)
        else:
            self._shortcut = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] to [B, F, H', W']."""
        y = functional.relu(self._1_norm(self._1_conv(x)))
        y = self._2(self._2_conv(y))
        if self._shortcut is not None:
            x = self._shortcut(self._shortcut_conv(x))
        return functional.relu(x + y)


class ResNet18(nn.Module):
    """Images [B, 3, S, S], values 0..255, to unit-norm embeddings [B, D].

    Args:
        width: Factor of all channel counts.
        embedding_dim: D.
    """

    def __init__(self, width: float = 1.0, embedding_dim: int = 128) -> None:
        super().__init__()
        channels = round(64 * width)
        self.stem_conv = _conv(3, channels, 3)
        self.stem_norm = nn.BatchNorm2d(channels)
        self.blocks = []
        for stage in range(1, 5):
            filters = round(64 * width) * 2 ** (stage - 1)
            for name in (f"stage{stage}_block1", f"stage{stage}"):
                first = name.endswith("block1")
                block = Block(
                    channels, filters, 2 if first and stage > 1 else 1
                )
                self.add_module(name, block)
                self.blocks.append(block)
                channels = filters
        self.projection = nn.Linear(channels, embedding_dim)
        mean, std = torch.tensor(MEAN), torch.tensor(STD)
        self.register_buffer("scale", (1 / (255 * std))[:, None, None])
        self.register_buffer("shift", (-mean / std)[:, None, None])
        self._draw()

    @torch.no_grad()
    def _draw(self) -> None:
        for name, value in self.named_parameters():
            if value.ndim < 2:  # Of norms, ones and zeros as they are.
                continue
            layer = name.removesuffix(".weight").replace(".", "")
            axes = (2, 3, 1, 0) if value.ndim == 4 else (1, 0)
            shape = tuple(value.shape[axis] for axis in axes)
            drawn = torch.from_numpy(sides.weights(layer, shape))
            value.copy_(
                drawn.permute(3, 2, 0, 1) if value.ndim == 4 else drawn.T
            )
        self.projection.bias.zero_()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """See the class."""
        x = images * self.scale + self.shift
        x = functional.relu(self.stem_norm(self.stem_conv(x)))
        for block in self.blocks:
            x = block(x)
        x = self.projection(x.mean((2, 3)))
        return functional.normalize(x, dim=1)


def _conv(
    channels: int, filters: int, kernel_size: int, strides: int = 1
) -> nn.Conv2d:
    return nn.Conv2d(
        channels,
        filters,
        kernel_size,
        strides,
        padding=kernel_size // 2,
        bias=False,
    )
