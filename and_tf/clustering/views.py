"""The views that clustering learns from, by the names that a flag gives."""

from __future__ import annotations

from collections.abc import Sequence

from and_tf.augmentation import Recipe, StrongConfig, ViewConfig


def recipe(name: str, trained_on: ViewConfig, mean: Sequence[float]) -> Recipe:
    """The recipe of --augmentation.

    Args:
        name: One of `config.AUGMENTATIONS`.
        trained_on: How the encoder's run augmented, which are weak views;
            strong ones are of the same size.
        mean: Of each channel, in [0, 1], what the encoder subtracts: what a
            strong view erases is nothing to it.
    """
    if name == "weak":
        return trained_on
    colour = tuple(255.0 * value for value in mean)
    return StrongConfig(trained_on.image_size, cutout_colour=colour)
