"""A random view of an image, the same one for the same draws."""

from __future__ import annotations

import dataclasses

import tensorflow as tf
from keras_cv.layers import VectorizedBaseImageAugmentationLayer

from and_tf.augmentation import colour, crop

# Uniforms of one view, by what they decide. A crop has as many tries as
# torchvision's.
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


@dataclasses.dataclass(frozen=True)
class ViewConfig:
    """The recipe of a view; the defaults are the paper's.

    Attributes:
        image_size: Side of a view, in pixels.
        crop_area: Range of a crop's share of the image's area.
        crop_ratio: Range of a crop's width by height, log-uniform.
        brightness: Factors lie in [1 - brightness, 1 + brightness], at least 0.
        contrast: Likewise.
        saturation: Likewise.
        hue: Shifts lie in [-hue, hue], in turns of the colour wheel.
        greyscale: Probability of losing the colours.
        flip: Probability of being mirrored left to right.
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


def draw(
    seed: int | tf.Tensor, epoch: int | tf.Tensor, num_examples: int
) -> tf.Tensor:
    """All that is random in the views of one epoch.

    Args:
        seed: The run's seed.
        epoch: The epoch's number; it may be symbolic, as the seed may.
        num_examples: N.

    Returns:
        float32 `[N, DRAWS]` in [0, 1): a row a sample, by its number.
    """
    return tf.random.stateless_uniform(
        [num_examples, DRAWS],
        seed=tf.stack([tf.cast(seed, tf.int64), tf.cast(epoch, tf.int64)]),
        alg="philox",  # the same numbers on every kind of device
    )


class RandomView(VectorizedBaseImageAugmentationLayer):
    """Random resized crop, colour jitter and greyscale of a batch.

    The layer is called with `{"images": [B, H, W, 3], "draws": [B, DRAWS]}`,
    pixel values 0..255 of any dtype and uniforms from `draw`, and returns
    views, float32 `[B, S, S, 3]` with values 0..255. It always computes in
    float32: bfloat16 has too few digits for 256 levels.

    Args:
        config: The recipe.
    """

    def __init__(self, config: ViewConfig) -> None:
        # A seed, for without one the base class asks for a generator that
        # deterministic TensorFlow refuses. Nothing here draws from it, and
        # a checkpoint should not carry it.
        super().__init__(seed=1, dtype="float32")
        del self._random_generator
        self.config = config

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        return super().call(inputs)["images"]

    def _batch_augment(
        self, inputs: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        # The base class passes images alone on to `augment_images`.
        return {"images": self.augment_images(**inputs)}

    def augment_images(self, images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """Views `[B, S, S, 3]` of float32 images `[B, H, W, 3]`."""
        boxes, flip = self._boxes(tf.shape(images)[1:3], draws)
        planes = crop.resample(images, boxes, flip, self.config.image_size)
        return self._recolour(planes, draws)

    def augment_one(self, image: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """The view of one image, which may be large.

        It is the view that a call gives, up to rounding. On a photograph it
        is several times faster: see `crop.resample_one`.

        Args:
            image: `[H, W, 3]`, any dtype.
            draws: float32 `[DRAWS]`.

        Returns:
            float32 `[S, S, 3]`, values 0..255.
        """
        draws = draws[tf.newaxis]
        boxes, flip = self._boxes(tf.shape(image)[:2], draws)
        planes = crop.resample_one(
            image, boxes[0], flip[0], self.config.image_size
        )
        return self._recolour(planes[tf.newaxis], draws)[0]

    def _recolour(self, planes: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """Images `[B, S, S, 3]` of colour planes `[B, 3, S, S]`."""
        config, draws = self.config, _columns(draws)
        order = tf.cast(draws["order"][:, 0] * len(colour.ORDERS), tf.int32)
        spread = (config.brightness, config.contrast, config.saturation)
        low = [max(0.0, 1.0 - value) for value in spread]
        high = [1.0 + value for value in spread]
        factors = low + draws["factors"] * tf.subtract(high, low)
        hue = (2.0 * draws["hue"][:, 0] - 1.0) * config.hue
        chosen = draws["greyscale"][:, 0] < config.greyscale

        size = config.image_size
        planes = tf.reshape(planes, [-1, 3, size * size])
        planes = colour.jitter(planes, order, factors, hue)
        planes = colour.greyscale(planes, chosen)
        images = tf.transpose(planes, [0, 2, 1])
        return tf.reshape(images, [-1, size, size, 3])

    def _boxes(
        self, image_size: tf.Tensor, draws: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """int32 `[B, 4]` boxes and bool `[B]`, which images are mirrored."""
        draws = _columns(draws)
        boxes = crop.random_boxes(
            draws["areas"],
            draws["ratios"],
            draws["positions"],
            image_size,
            self.config.crop_area,
            self.config.crop_ratio,
        )
        return boxes, draws["flip"][:, 0] < self.config.flip


def _columns(draws: tf.Tensor) -> dict[str, tf.Tensor]:
    """The columns of `[B, DRAWS]` by what they decide."""
    parts = tf.split(draws, list(_COLUMNS.values()), axis=-1)
    return dict(zip(_COLUMNS, parts, strict=True))
