"""The backbone `small`, as a PyTorch user would write it.

Its layers go by the names that `and_tf.encoders` gives them, so that both can
have the same weights. PyTorch's first weights and batch norms are those of
`and_tf.encoders.blocks`, which took them from there.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

STEM_FILTERS = 32
STAGE_FILTERS = (64, 96)


class Small(nn.Module):
    """Normalised images [B, 3, S, S] to pooled features [B, F].

    Args:
        width: Factor of all channel counts.
        features: F, to which a 1×1 convolution brings the last map.
    """

    def __init__(self, width: float, features: int) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        channels = _scaled(STEM_FILTERS, width)
        self._add("stem", 3, channels, 4, 2)
        for stage, filters in enumerate(STAGE_FILTERS, start=1):
            name, filters = f"stage{stage}", _scaled(filters, width)
            self._add(f"{name}_1", channels, filters, 3, 2)
            self._add(f"{name}_2", filters, filters, 3, norm=f"{name}_2")
            shortcut = f"{name}_shortcut"
            self._add(shortcut, channels, filters, 1, 2, norm=shortcut)
            channels = filters
        self._add("wide", channels, features, 1)

    def _add(
        self,
        name: str,
        channels: int,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        norm: str = "",
    ) -> None:
        self.layers[f"{name}_conv"] = nn.Conv2d(
            channels, filters, kernel_size, strides, bias=False
        )
        self.layers[norm or f"{name}_norm"] = nn.BatchNorm2d(filters)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """See the class."""
        x = functional.relu(self._conv_norm("stem", images))
        for stage, _ in enumerate(STAGE_FILTERS, start=1):
            name = f"stage{stage}"
            y = functional.relu(self._conv_norm(f"{name}_1", x))
            y = self._conv_norm(f"{name}_2", y, f"{name}_2")
            shortcut = f"{name}_shortcut"
            x = self._conv_norm(shortcut, x, shortcut)
            x = functional.relu(x + y)
        return functional.relu(self._conv_norm("wide", x)).mean((2, 3))

    def _conv_norm(
        self, name: str, x: torch.Tensor, norm: str = ""
    ) -> torch.Tensor:
        """[B, C, H, W] to [B, F, H / strides, W / strides], rounded up."""
        conv = self.layers[f"{name}_conv"]
        (kernel_size, _), (strides, _) = conv.kernel_size, conv.stride
        pads = [_pads(x.shape[axis], kernel_size, strides) for axis in (2, 3)]
        if all(before == behind for before, behind in pads):
            padding = [before for before, _ in pads]
            x = functional.conv2d(x, conv.weight, None, strides, padding)
        else:
            x = conv(functional.pad(x, (*pads[1], *pads[0])))
        return self.layers[norm or f"{name}_norm"](x)


def _pads(size: int, kernel_size: int, strides: int) -> tuple[int, int]:
    """Return Keras' "same" padding, before and behind."""
    outputs = -(-size // strides)
    total = max((outputs - 1) * strides + kernel_size - size, 0)
    return total // 2, total - total // 2


def _scaled(filters: int, width: float) -> int:
    """Return `filters` times `width`, at least 8 and a multiple of 8."""
    return max(8, 8 * round(filters * width / 8))
