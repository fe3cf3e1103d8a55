"""Makes strong views: flip, crop, several random operations, and Cutout.

The operations are those of RandAugment (https://arxiv.org/abs/1909.13719),
drawn with replacement, each with a random amount. The ranges are those of
SCAN (https://arxiv.org/abs/2005.12320) for small images. RandAugment's own
layers run image by image. Here each operation belongs to a family, and one
kernel per family handles a batch in which every image has its own operation.
So each step splits the batch by family and puts it together again. The
operations run one after the other on whole levels, as in Pillow, and each
image costs only the time of its own operations.
"""

from __future__ import annotations

import dataclasses

import keras
import tensorflow as tf

from and_tf.augmentation import affine_ops, blend_ops, crop, tone_ops
from and_tf.augmentation.stateless import KeyedView, Recipe, columns

_FAMILIES = (
    (affine_ops.OPERATIONS, affine_ops.transform),
    (tone_ops.OPERATIONS, tone_ops.change),
    (("equalise",), tone_ops.equalise),
    (blend_ops.OPERATIONS, blend_ops.blend),
    (("sharpness",), blend_ops.sharpen),
)
OPERATIONS = ("identity", *(name for names, _ in _FAMILIES for name in names))


@keras.saving.register_keras_serializable(package="and_tf")
@dataclasses.dataclass(frozen=True)
class StrongConfig(Recipe):
    """The recipe of a strong view.

    Attributes:
        image_size: Side of a view, in pixels.
        crop_area: Range of a crop's share of the image's area, 0 to 1.
            (1, 1), as in SCAN for small images, takes a square image whole.
        crop_ratio: Range of a crop's width / height, drawn log-uniformly.
        flip: The probability that a view is mirrored left to right.
        operations: The number of operations that are applied in turn.
        rotate: Angles are in [-rotate, rotate], in degrees.
        shear: Shears are in [-shear, shear], in pixels per pixel.
        translate: Shifts are in [-translate, translate], as a share of the
            side.
        solarise: Range of the threshold from which levels are inverted.
        posterise: Range of the number of bits to keep, both ends included.
            8 would change nothing; SCAN's code never draws it.
        enhance: Range of the factors of brightness, contrast, colour and
            sharpness; a factor of 1 changes nothing.
        cutout: Range of the side of the erased square, as a share of the
            view's side; it is rounded to an even number of pixels. The
            default is that of SCAN's code and of FixMatch; SCAN's paper says
            16 of 32 pixels.
        cutout_colour: The colour of the square, values 0..255. The data set's
            mean becomes zero in an encoder that subtracts it.
    """

    image_size: int
    crop_area: tuple[float, float] = (1.0, 1.0)
    crop_ratio: tuple[float, float] = (1.0, 1.0)
    flip: float = 0.5
    operations: int = 4
    rotate: float = 30.0
    shear: float = 0.1
    translate: float = 0.1
    solarise: tuple[float, float] = (0.0, 256.0)
    posterise: tuple[int, int] = (4, 7)
    enhance: tuple[float, float] = (0.05, 0.95)
    cutout: tuple[float, float] = (0.0, 0.5)
    cutout_colour: tuple[float, ...] = (127.5, 127.5, 127.5)

    @property
    def draws(self) -> int:
        """D, the number of uniforms of a view."""
        return sum(self.columns.values())

    @property
    def columns(self) -> dict[str, int]:
        """The number of uniforms of one view for each random choice."""
        return {
            "areas": 10,
            "ratios": 10,
            "positions": 2,
            "flip": 1,
            "operations": self.operations,
            "amounts": self.operations,
            "cutout_side": 1,
            "cutout_centre": 2,
        }

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The smallest and largest amount of each operation."""
        low, high = self.posterise
        return (
            dict.fromkeys(OPERATIONS, (0.0, 0.0))
            | dict.fromkeys(blend_ops.OPERATIONS, self.enhance)
            | {"sharpness": self.enhance}
            | {
                "rotate": (-self.rotate, self.rotate),
                "shear_x": (-self.shear, self.shear),
                "shear_y": (-self.shear, self.shear),
                "translate_x": (-self.translate, self.translate),
                "translate_y": (-self.translate, self.translate),
                "solarise": self.solarise,
                # The fraction of the bits is cut off later.
                "posterise": (low, high + 1),
            }
        )

    def layer(self) -> StrongView:
        """Returns the layer that makes such views."""
        return StrongView(self)


@keras.saving.register_keras_serializable(package="and_tf")
class StrongView(KeyedView):
    """A layer of flip, crop, random operations and Cutout.

    Operations work on whole levels. If a value of the crop lies midway between
    two levels, its rounding may depend on the size of the batch, and an
    operation may enlarge that difference.
    """

    config: StrongConfig

    def augment_images(self, images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        parts = columns(draws, self.config.columns)
        boxes, flip = self._boxes(tf.shape(images)[1:3], parts)
        planes = crop.resample(images, boxes, flip, self.config.image_size)
        return self._distort(planes, parts)

    def augment_one(self, image: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        parts = columns(draws[tf.newaxis], self.config.columns)
        boxes, flip = self._boxes(tf.shape(image)[:2], parts)
        planes = crop.resample_one(
            image, boxes[0], flip[0], self.config.image_size
        )
        return self._distort(planes[tf.newaxis], parts)[0]

    def _distort(
        self, planes: tf.Tensor, draws: dict[str, tf.Tensor]
    ) -> tf.Tensor:
        """Turns colour planes `[B, C, S, S]` into views `[B, S, S, C]`."""
        config = self.config
        images = tf.transpose(planes, [0, 2, 3, 1])
        images = tf.cast(tf.round(images), tf.uint8)
        operations, amounts = self.operations(
            draws["operations"], draws["amounts"]
        )
        for index in range(config.operations):
            images = apply(images, operations[:, index], amounts[:, index])
        low, high = config.cutout
        half = (low + draws["cutout_side"][:, 0] * (high - low)) / 2
        return crop.cut_out(
            tf.cast(images, tf.float32),
            tf.cast(draws["cutout_centre"] * config.image_size, tf.int32),
            2 * tf.cast(tf.round(half * config.image_size), tf.int32),
            config.cutout_colour,
        )

    def operations(
        self, operations: tf.Tensor, amounts: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps uniforms to operations and their amounts.

        Args:
            operations: float32 `[B, n]` in [0, 1).
            amounts: float32 `[B, n]` in [0, 1).

        Returns:
            int32 `[B, n]`, indices into `OPERATIONS`; and float32 `[B, n]`,
            amounts in each operation's own unit.
        """
        operations = tf.cast(operations * len(OPERATIONS), tf.int32)
        ranges = [self.config.ranges[name] for name in OPERATIONS]
        low, high = tf.unstack(
            tf.gather(tf.constant(ranges, tf.float32), operations), axis=-1
        )
        return operations, low + amounts * (high - low)

    def _boxes(
        self, image_size: tf.Tensor, draws: dict[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns boxes, int32 `[B, 4]`, and flips, bool `[B]`."""
        boxes = crop.random_boxes(
            draws["areas"],
            draws["ratios"],
            draws["positions"],
            image_size,
            self.config.crop_area,
            self.config.crop_ratio,
        )
        return boxes, draws["flip"][:, 0] < self.config.flip


def apply(
    images: tf.Tensor, operation: tf.Tensor, amount: tf.Tensor
) -> tf.Tensor:
    """Applies one operation to each image.

    Args:
        images: uint8 `[B, H, W, C]`. Of four channels, the last, an opacity
            or another band, moves with the others and keeps its levels.
        operation: int32 `[B]`, an index into `OPERATIONS`.
        amount: float32 `[B]`, in the operation's own unit.

    Returns:
        uint8 `[B, H, W, C]`.
    """
    family, within = [0], [0]
    for number, (names, _) in enumerate(_FAMILIES, start=1):
        family += [number] * len(names)
        within += range(len(names))
    rows = tf.range(tf.size(operation))
    rows = tf.dynamic_partition(
        rows, tf.gather(family, operation), 1 + len(_FAMILIES)
    )
    within = tf.gather(within, operation)
    parts = [tf.gather(images, rows[0])]
    for (_, change), own in zip(_FAMILIES, rows[1:], strict=True):
        these, *arguments = (
            tf.gather(x, own) for x in (images, within, amount)
        )
        if images.shape[-1] == 4 and change is not affine_ops.transform:
            changed = change(these[..., :3], *arguments)
            parts.append(tf.concat([changed, these[..., 3:]], axis=-1))
        else:
            parts.append(change(these, *arguments))
    return tf.ensure_shape(tf.dynamic_stitch(rows, parts), images.shape)
