"""Makes exported models take the values of files, where levels stand for them.

Inside a run, an image is levels 0..255. The files of some runs have other
values, of 16 bits or floats, which a range maps to levels. What is exported of
such a run takes the files' own values and maps them itself, so that whoever
has the file needs no code of this project to prepare images for it. Programs
here that have levels give `PixelFormat.values` of them, from which a model
makes the same levels again.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from and_tf.data.pixel_format import PixelFormat


def dtype(form: PixelFormat) -> str:
    """Returns the data type of the images that an exported model takes."""
    return "float32" if form.ranged else "uint8"


def taking_values(model: keras.Model, form: PixelFormat) -> keras.Model:
    """Puts the mapping of values to levels before a model.

    Args:
        model: A model from levels, [B, S, S, C].
        form: The range of the values.

    Returns:
        A model from values, float32 [B, S, S, C], of Keras' own layers before
        `model`'s; `model` itself if its levels are the values. NaN stays NaN:
        give pixels without data the lowest value.
    """
    if not form.ranged:
        return model
    low, scale = form.mapping
    images = keras.Input(model.input_shape[1:], name="images")
    # Two layers, as values · scale + offset would lose digits of large values.
    x = keras.layers.Rescaling(
        1.0, (-low).tolist(), dtype="float32", name="above_low"
    )(images)
    x = keras.layers.Rescaling(
        scale.tolist(), dtype="float32", name="to_levels"
    )(x)
    levels = keras.ops.round(keras.ops.clip(x, 0.0, 255.0))
    return keras.Model(images, model(levels), name=model.name)


def to_levels(images: tf.Tensor, form: PixelFormat) -> tf.Tensor:
    """Maps values to levels in a graph, as `PixelFormat.levels` does.

    Args:
        images: `[…, C]`, of the type `dtype(form)`.
        form: The range of the values.

    Returns:
        uint8 `[…, C]`.
    """
    if not form.ranged:
        return images
    low, scale = form.mapping
    levels = tf.clip_by_value((images - low) * scale, 0.0, 255.0)
    levels = tf.where(tf.math.is_nan(images), 0.0, levels)
    return tf.cast(tf.round(levels), tf.uint8)
