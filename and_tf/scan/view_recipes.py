"""Chooses the recipe of the views that a clustering learns from."""

from __future__ import annotations

from collections.abc import Sequence

from and_tf.augmentation import Recipe, StrongConfig, ViewConfig

# As in the authors' code, cutouts measure half the side of images of up to
# HALF_CUT pixels, and a third of the side of larger images. Strong views show
# whole images of up to UNCROPPED pixels, and a window of 224 in 256 pixels of
# larger images.
HALF_CUT, UNCROPPED = 64, 96
WINDOW = (224 / 256) ** 2  # The share of the area.


def recipe(
    name: str,
    trained_on: ViewConfig,
    image_size: int,
    mean: Sequence[float],
) -> Recipe:
    """Returns the recipe for a value of --augmentation or --label_view.

    Args:
        name: One of `config.AUGMENTATIONS` or `config.LABEL_VIEWS`; "none"
            makes clean views.
        trained_on: The recipe of the views that the encoder was trained on,
            which are the weak views. Strong views have the same side.
        image_size: The side S, in pixels, of clean views, which show whole
            images.
        mean: The mean of each channel, in [0, 1], that the encoder subtracts.
            Strong views fill their cutouts with it, so that the encoder sees
            zeros there.
    """
    if name == "weak":
        return trained_on
    if name in ("clean", "none"):
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
    # A view that is smaller than an image shows a crop at the same scale. If
    # it were shrunk instead, objects would be smaller than in training.
    shown = 1.0 if image_size <= UNCROPPED else WINDOW
    shown = min(shown, (trained_on.image_size / image_size) ** 2)
    return StrongConfig(
        trained_on.image_size,
        crop_area=(shown, shown),
        cutout=(0.0, 1 / 2 if image_size <= HALF_CUT else 1 / 3),
        cutout_colour=tuple(255.0 * channel for channel in mean),
    )
