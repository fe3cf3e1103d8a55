"""Finds the features of a TFDS data set that hold an image and its label."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from and_tf.data.pixel_format import (
    PixelFormat,
    advice,
    fitting,
    other_bands,
    without_range,
)
from and_tf.data.walking import Skipped
from and_tf.utils.errors import InputError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds


@dataclasses.dataclass(frozen=True)
class ImageFeature:
    """A feature that holds an image, and the channels to make of it.

    Attributes:
        key: Its name.
        feature: An `Image`, or a `Tensor` of the shape [H, W, C].
        form: The channels that are wanted, and what their values mean.
    """

    key: str
    feature: Any
    form: PixelFormat

    @property
    def channels(self) -> int:
        """Returns the number of channels that it has."""
        return self.feature.shape[-1]

    @property
    def dtype(self) -> np.dtype:
        """Returns the type of its values."""
        return np.dtype(self.feature.np_dtype)

    @property
    def is_deep(self) -> bool:
        """Returns whether its values have more than 8 bits."""
        return self.dtype != np.uint8

    @property
    def image_shape(self) -> tuple[int, int] | None:
        """Returns (H, W) of all images; None if they differ."""
        height, width, _ = self.feature.shape
        return (height, width) if height and width else None

    @property
    def spec(self) -> tf.io.FixedLenFeature:
        """Returns what `tf.io.parse_example` needs to know of it."""
        stored = self.feature.get_serialized_info()
        if not stored.shape:  # The bytes of a file, or of an array.
            return tf.io.FixedLenFeature([], tf.string)
        floats = np.issubdtype(stored.np_dtype, np.floating)
        dtype = tf.float32 if floats else tf.int64
        return tf.io.FixedLenFeature(stored.shape, dtype)

    def values(self, encoded: tf.Tensor) -> tf.Tensor:
        """Decodes what `spec` gives to `[H, W, c]`, of the feature's type."""
        image = self.feature.decode_example(encoded)
        image = tf.cast(image, self.feature.tf_dtype)  # From int64, if stored.
        return tf.ensure_shape(image, self.feature.shape)

    def levels(self, encoded: tf.Tensor) -> tf.Tensor:
        """Decodes what `spec` gives to uint8 `[H, W, C]`."""
        image, form = self.values(encoded), self.form
        if self.is_deep:
            image = tf.numpy_function(
                lambda values: form.levels(fitting(values, form.channels)),
                [image],
                tf.uint8,
            )
            shape = *self.feature.shape[:2], form.channels
            return tf.ensure_shape(image, shape)
        if (self.channels, form.channels) == (1, 3):
            return tf.image.grayscale_to_rgb(image)
        if (self.channels, form.channels) == (3, 1):
            return tf.image.rgb_to_grayscale(image)
        return image

    def why_not(self) -> str:
        """Returns why no image can be made of it, "" if one can.

        Grey becomes RGB, and RGB of 8 bits grey; others have to have the
        channels that are wanted.
        """
        found, wanted = self.channels, self.form.channels
        grey = found == 3 and wanted == 1 and not self.is_deep
        if found != wanted and not grey and (found, wanted) != (1, 3):
            return other_bands(found, wanted)
        # The range of RGB is never measured without being asked for.
        if self.is_deep and wanted == 3 and not self.form.ranged:
            return without_range(self.dtype)
        return ""


def image_feature(
    builder: tfds.core.DatasetBuilder, form: PixelFormat
) -> ImageFeature:
    """Returns the feature that holds the image.

    Args:
        builder: The builder of a prepared data set.
        form: The channels that are wanted, and what their values mean.

    Raises:
        InputError: If no feature, or more than one, can be the image.
    """
    import tensorflow_datasets as tfds

    features = builder.info.features
    named = isinstance(features, tfds.features.FeaturesDict)
    every = [
        ImageFeature(key, feature, form)
        for key, feature in (features.items() if named else ())
        if _is_image(feature)
    ]
    # Tensors are images only where there is nothing else.
    for kind in (tfds.features.Image, tfds.features.Tensor):
        fit = [
            one
            for one in every
            if isinstance(one.feature, kind) and not one.why_not()
        ]
        usual = [one for one in fit if one.key == "image"]
        if usual or len(fit) == 1:
            return (usual or fit)[0]
        if fit:
            break
    raise InputError(_none_fits(builder.name, every, form))


def _none_fits(name: str, every: list[ImageFeature], form: PixelFormat) -> str:
    """Returns a sentence for a data set without one feature that fits."""
    whys = [Skipped(one.key, one.why_not()) for one in every]
    shown = [
        f"{why.name} {one.dtype} {list(one.feature.shape)} "
        f"{why.reason}".rstrip()
        for one, why in zip(every, whys, strict=True)
    ]
    return (
        "Expected a data set with one feature of images for "
        f"--channels={form.channels}. Received: {name} with "
        f"{'; '.join(shown) or 'none'}.{advice(whys)} Or use another --dataset."
    )


def _is_image(feature: Any) -> bool:
    """Returns whether a feature is an image, or an array that may be one."""
    import tensorflow_datasets as tfds

    if isinstance(feature, tfds.features.Image):
        return True
    return (
        isinstance(feature, tfds.features.Tensor)
        and len(feature.shape) == 3
        and None not in feature.shape
        and np.dtype(feature.np_dtype).kind in "uif"
    )


def label_key(builder: tfds.core.DatasetBuilder, wanted: str) -> str:
    """Returns the name of the feature that holds the label, "" if none does.

    Args:
        builder: The builder of a prepared data set.
        wanted: The name that a user gave; "" finds the feature.

    Raises:
        InputError: If `wanted` is no integer feature of the data set.
    """
    import tensorflow_datasets as tfds

    keys = {
        key: isinstance(feature, tfds.features.ClassLabel)
        for key, feature in builder.info.features.items()
        if isinstance(feature, tfds.features.Tensor)
        and feature.shape == ()
        and np.issubdtype(feature.np_dtype, np.integer)
    }
    if wanted and wanted not in keys:
        raise InputError(
            f"Expected --label_key to be an integer feature of {builder.name}: "
            f"{', '.join(keys) or 'it has none'}. Received: {wanted!r}."
        )
    classes = [key for key, is_class in keys.items() if is_class]
    if wanted or "label" in keys:
        return wanted or "label"
    return classes[0] if len(classes) == 1 else ""
