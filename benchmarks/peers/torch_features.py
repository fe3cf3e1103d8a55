"""Compute the features of given images from given weights, by PyTorch.

PYTHON -m benchmarks.peers.torch_features in.npz out.npz

The first file is that of `same_network.write`.
"""

from __future__ import annotations

import sys

import numpy as np
import torch

from benchmarks.peers.peer import embed
from benchmarks.peers.setting import FEATURES, WIDTH
from benchmarks.peers.torch_small import Small

PREFIX = "weights/"


def main() -> None:
    """Read, compute, write."""
    source, target = sys.argv[1:]
    with np.load(source) as file:
        arrays = dict(file)
    network = Small(WIDTH, FEATURES).to(memory_format=torch.channels_last)
    given = {
        name.removeprefix(PREFIX): torch.from_numpy(value)
        for name, value in arrays.items()
        if name.startswith(PREFIX)
    }
    counters = {
        name: value
        for name, value in network.state_dict().items()
        if name.endswith("num_batches_tracked")
    }
    network.load_state_dict(given | counters)
    found = {
        name.replace("images", "features"): embed(network, value)
        for name, value in arrays.items()
        if name.startswith("images_")
    }
    np.savez(target, **found)


if __name__ == "__main__":
    main()
