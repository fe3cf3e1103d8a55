"""Makes a random view of an image, the same view for the same draws."""

from __future__ import annotations

import dataclasses

import keras
import tensorflow as tf

from and_tf.augmentation import colour, crop
from and_tf.augmentation.stateless import KeyedView, Recipe, columns, uniforms

# The number of uniforms of one view for each random choice. A crop has as many
# tries as torchvision's.
_COLUMNS = {
    "areas": 10,
    "ratios": 10,
    "positions": 2,
    "flip": 1,
    "order": 1,
    "factors": 3,
    "hue": 1,
    "greyscale": 1,
}
DRAWS = sum(_COLUMNS.values())


@keras.saving.register_keras_serializable(package="and_tf")
@dataclasses.dataclass(frozen=True)
class ViewConfig(Recipe):
    """The recipe of a view; the defaults are the paper's.

    Images of three channels are RGB. Of four, the first three are changed as
    RGB, and the last, an opacity or another band, stays. Of any others, only
    brightness and contrast change, by the same factors in all channels.

    Attributes:
        image_size: Side of a view, in pixels.
        crop_area: Range of a crop's share of the image's area, 0 to 1.
        crop_ratio: Range of a crop's width / height, drawn log-uniformly.
        brightness: Factors are in [1 - brightness, 1 + brightness], at least 0.
        contrast: Factors are in [1 - contrast, 1 + contrast], at least 0.
        saturation: Factors are in [1 - saturation, 1 + saturation], at least 0.
        hue: Shifts are in [-hue, hue], in turns of the colour wheel.
        greyscale: The probability that a view has no colours.
        flip: The probability that a view is mirrored left to right.
    """

    image_size: int
    crop_area: tuple[float, float] = (0.2, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.4
    greyscale: float = 0.2
    flip: float = 0.0

    @property
    def draws(self) -> int:
        """D, the number of uniforms of a view."""
        return DRAWS

    def layer(self) -> RandomView:
        """Returns the layer that makes such views."""
        return RandomView(self)


def draw(
    seed: int | tf.Tensor, epoch: int | tf.Tensor, num_examples: int
) -> tf.Tensor:
    """Draws the uniforms of one epoch for any `ViewConfig`.

    Args:
        seed, epoch, num_examples: See `stateless.uniforms`.

    Returns:
        float32 `[num_examples, DRAWS]` in [0, 1), one row per sample.
    """
    return uniforms(seed, epoch, num_examples, DRAWS)


@keras.saving.register_keras_serializable(package="and_tf")
class RandomView(KeyedView):
    """A layer of random resized crop, flip, colour jitter and greyscale."""

    config: ViewConfig

    def augment_images(self, images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        boxes, flip = self._boxes(tf.shape(images)[1:3], draws)
        planes = crop.resample(images, boxes, flip, self.config.image_size)
        return self._recolour(planes, draws)

    def augment_one(self, image: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        draws = draws[tf.newaxis]
        boxes, flip = self._boxes(tf.shape(image)[:2], draws)
        planes = crop.resample_one(
            image, boxes[0], flip[0], self.config.image_size
        )
        return self._recolour(planes[tf.newaxis], draws)[0]

    def _recolour(self, planes: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """Turns planes `[B, C, S, S]` into views `[B, S, S, C]`."""
        config, draws = self.config, columns(draws, _COLUMNS)
        channels = planes.shape[1]
        order = tf.cast(draws["order"][:, 0] * len(colour.ORDERS), tf.int32)
        spread = (config.brightness, config.contrast, config.saturation)
        low = [max(0.0, 1.0 - value) for value in spread]
        high = [1.0 + value for value in spread]
        factors = low + draws["factors"] * tf.subtract(high, low)
        hue = (2.0 * draws["hue"][:, 0] - 1.0) * config.hue
        chosen = draws["greyscale"][:, 0] < config.greyscale

        size = config.image_size
        planes = tf.reshape(planes, [-1, channels, size * size])
        if channels in (3, 4):
            last = planes[:, 3:] if channels == 4 else None
            planes = planes if last is None else planes[:, :3]
            planes = colour.jitter(planes, order, factors, hue)
            planes = colour.greyscale(planes, chosen)
            if last is not None:
                planes = tf.concat([planes, last], axis=1)
        else:
            planes = colour.jitter_bands(planes, order, factors[:, :2])
        images = tf.transpose(planes, [0, 2, 1])
        return tf.reshape(images, [-1, size, size, channels])

    def _boxes(
        self, image_size: tf.Tensor, draws: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns boxes, int32 `[B, 4]`, and flips, bool `[B]`."""
        draws = columns(draws, _COLUMNS)
        boxes = crop.random_boxes(
            draws["areas"],
            draws["ratios"],
            draws["positions"],
            image_size,
            self.config.crop_area,
            self.config.crop_ratio,
        )
        return boxes, draws["flip"][:, 0] < self.config.flip
