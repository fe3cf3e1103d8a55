"""Check the peers where PyTorch and lightly are installed; see `torch_test`.

It runs in the peers' environment, which has no TensorFlow and no pytest.
"""

from __future__ import annotations

import colorsys
import itertools

import numpy as np
import torch

from benchmarks.peers import peer
from benchmarks.peers.budget import Budget
from benchmarks.peers.fast_views import crop, turn_hue, views
from benchmarks.peers.methods import METHODS
from benchmarks.peers.recipes import Recipe
from benchmarks.peers.setting import FEATURES, VIEWS, Setting

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), np.uint8)
NOTHING = Recipe(jitter=0, greyscale=0, flip=0, smallest_crop=1.0)


def methods() -> None:
    """Two steps of each move the backbone and give finite losses."""
    for side, kind in itertools.product(METHODS, VIEWS):
        budget = Budget("minutes", 1)
        setting = Setting(side, budget, views=kind, view_size=24, batch_size=6)
        step, method = peer.start(setting, steps=4)
        batches = peer.pairs(setting, IMAGES, workers=0)
        before = method.backbone.layers["wide_conv"].weight.detach().clone()
        losses = [step(next(batches)) for _ in range(2)]
        assert np.isfinite(losses).all(), (side, losses)
        after = method.backbone.layers["wide_conv"].weight
        assert (after != before).any(), side
        features = peer.embed(method.backbone, IMAGES)
        assert features.shape == (len(IMAGES), FEATURES)
        again, _ = peer.start(setting, steps=4)
        batches = peer.pairs(setting, IMAGES, workers=0)
        assert again(next(batches)) == losses[0], (side, kind)


def view_statistics() -> None:
    """Both ways of making views agree in mean and deviation, roughly."""
    images = np.repeat(IMAGES, 20, 0) // 2 + 40
    for side in METHODS:
        found = []
        for kind in VIEWS:
            torch.manual_seed(0)
            dataset = peer.VIEWS[kind](images, side, 32)
            a, b = dataset[list(range(len(images)))]
            assert a.shape == b.shape == (len(images), 3, 32, 32)
            assert a.is_contiguous(memory_format=torch.channels_last)
            found.append(
                [f(x).item() for x in (a, b) for f in (torch.mean, torch.std)]
            )
        np.testing.assert_allclose(*found, atol=0.08, err_msg=side)


def fast_views() -> None:
    """A recipe that does nothing, a mirror, and the hue of colorsys."""
    x = torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255
    expected = peer.normalised(IMAGES)
    torch.testing.assert_close(
        views(x, NOTHING, 32), expected, atol=1e-5, rtol=0
    )
    mirrored = crop(x, Recipe(smallest_crop=1.0, flip=1.0), 32)
    torch.testing.assert_close(mirrored, x.flip(3), atol=1e-5, rtol=0)
    turned = turn_hue(x, torch.full((len(x), 1, 1), 0.3))
    for image, row, column in ((0, 0, 0), (3, 5, 7), (11, 31, 2)):
        h, s, v = colorsys.rgb_to_hsv(*x[image, :, row, column].tolist())
        wanted = colorsys.hsv_to_rgb((h + 0.3) % 1, s, v)
        np.testing.assert_allclose(
            turned[image, :, row, column], wanted, atol=1e-5
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    fast_views()
    view_statistics()
    methods()
    print("well")
