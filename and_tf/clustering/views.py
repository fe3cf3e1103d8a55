"""The views that clustering learns from, by the names that a flag gives."""

from __future__ import annotations

from collections.abc import Sequence

from and_tf.augmentation import Recipe, StrongConfig, ViewConfig

# Sides of images, in pixels, up to which the authors' code has cutouts of half
# a side, else of a third; and takes strong views of whole images, else of a
# window of 224 in 256 pixels.
HALF_CUT, UNCROPPED = 64, 96
WINDOW = (224 / 256) ** 2  # Of the area.


def recipe(
    name: str,
    trained_on: ViewConfig,
    image_size: int,
    mean: Sequence[float],
) -> Recipe:
    """The recipe of --augmentation or --label_view.

    Args:
        name: One of `config.AUGMENTATIONS` or of `config.LABEL_VIEWS`.
        trained_on: How the encoder's run augmented, which are weak views.
            Strong ones are of their size, clean ones whole images.
        image_size: S, of clean images, what the encoder is evaluated on.
        mean: Of each channel, in [0, 1], what the encoder subtracts: what a
            strong view erases is nothing to it.
    """
    if name == "weak":
        return trained_on
    if name == "clean":
        return ViewConfig(
            image_size,
            crop_area=(1.0, 1.0),
            crop_ratio=(1.0, 1.0),
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
            hue=0.0,
            greyscale=0.0,
        )
    # A view that is smaller than an image shows less of it at the same scale:
    # shrunk, it would show things smaller than the encoder has ever seen them.
    shown = 1.0 if image_size <= UNCROPPED else WINDOW
    shown = min(shown, (trained_on.image_size / image_size) ** 2)
    return StrongConfig(
        trained_on.image_size,
        crop_area=(shown, shown),
        cutout=(0.0, 1 / 2 if image_size <= HALF_CUT else 1 / 3),
        cutout_colour=tuple(255.0 * value for value in mean),
    )
