"""The views that clustering learns from, by the names that a flag gives."""

from __future__ import annotations

from collections.abc import Sequence

from and_tf.augmentation import Recipe, StrongConfig, ViewConfig


def recipe(name: str, trained_on: ViewConfig, mean: Sequence[float]) -> Recipe:
    """The recipe of --augmentation or --label_view.

    Args:
        name: One of `config.AUGMENTATIONS` or of `config.LABEL_VIEWS`.
        trained_on: How the encoder's run augmented, which are weak views;
            strong ones are of the same size.
        mean: Of each channel, in [0, 1], what the encoder subtracts: what a
            strong view erases is nothing to it.
    """
    if name == "weak":
        return trained_on
    if name == "clean":
        return ViewConfig(
            trained_on.image_size,
            crop_area=(1.0, 1.0),
            crop_ratio=(1.0, 1.0),
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
            hue=0.0,
            greyscale=0.0,
        )
    colour = tuple(255.0 * value for value in mean)
    return StrongConfig(trained_on.image_size, cutout_colour=colour)
