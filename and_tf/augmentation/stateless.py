"""Defines recipes of views and draws their random numbers from a key.

A recipe is a frozen config that makes its own layer and its own uniforms:

    recipe = StrongConfig(image_size=32)
    augment = recipe.layer()
    draws = recipe.draw(seed, epoch, num_examples)
    views = augment({"images": images, "draws": tf.gather(draws, numbers)})

So a pipeline works with any recipe.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Protocol

import keras
import tensorflow as tf


class Recipe(Protocol):
    """A description of how to make views, such as `ViewConfig`.

    Attributes:
        image_size: Side S of a view, in pixels.
    """

    image_size: int
    # Each recipe is a dataclass.
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    @property
    def draws(self) -> int:
        """D, the number of uniforms of a view."""

    def layer(self) -> KeyedView:
        """Returns the layer that makes such views."""

    def draw(
        self,
        seed: int | tf.Tensor,
        epoch: int | tf.Tensor,
        num_examples: int,
        stream: int = 0,
    ) -> tf.Tensor:
        """Draws float32 `[num_examples, D]` in [0, 1); see `uniforms`."""
        return uniforms(seed, epoch, num_examples, self.draws, stream)

    def get_config(self) -> dict[str, Any]:
        """Returns the recipe's fields, serialised for a Keras file."""
        return {
            field.name: keras.saving.serialize_keras_object(
                getattr(self, field.name)
            )
            for field in dataclasses.fields(self)
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Recipe:
        """Makes a recipe from the result of `get_config`."""
        return cls(
            **{
                # A file has lists instead of tuples.
                name: tuple(value) if isinstance(value, list) else value
                for name, value in keras.saving.deserialize_keras_object(
                    config
                ).items()
            }
        )


def uniforms(
    seed: int | tf.Tensor,
    epoch: int | tf.Tensor,
    num_examples: int,
    draws: int,
    stream: int = 0,
) -> tf.Tensor:
    """Draws all random numbers of the views of one epoch.

    Args:
        seed: The run's seed; a tensor is allowed.
        epoch: The number of the epoch; a tensor is allowed.
        num_examples: N, the number of samples.
        draws: D, the number of uniforms of a view.
        stream: The number of the view, from 0, if the same images have
            several views.

    Returns:
        float32 `[N, D]` in [0, 1): row n is for the sample with id n.
    """
    key = tf.stack([tf.cast(seed, tf.int64), tf.cast(epoch, tf.int64)])
    if stream:
        # 1 is left out, because the order of an epoch is drawn with it.
        key = tf.random.experimental.stateless_fold_in(key, 1 + stream)
    return tf.random.stateless_uniform(
        [num_examples, draws],
        seed=key,
        alg="philox",  # Gives the same numbers on every kind of device.
    )


def columns(draws: tf.Tensor, sizes: dict[str, int]) -> dict[str, tf.Tensor]:
    """Splits draws `[B, D]` into named parts with the given column counts."""
    parts = tf.split(draws, list(sizes.values()), axis=-1)
    return dict(zip(sizes, parts, strict=True))


class KeyedView(keras.layers.Layer):
    """A layer that makes views from images and given random numbers.

    It is called with `{"images": [B, H, W, C], "draws": [B, D]}`: pixel
    values 0..255 of any dtype, and uniforms from the recipe's `draw`. It
    returns views, float32 `[B, S, S, C]` with values 0..255. It always
    computes in float32, because bfloat16 has too few digits for 256 levels.

    Args:
        config: The recipe.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(dtype="float32")
        self.config = config
        self.built = True  # There are no weights.

    def get_config(self) -> dict[str, Any]:
        """Returns the serialised recipe and the layer's name."""
        recipe = keras.saving.serialize_keras_object(self.config)
        return {"config": recipe, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> KeyedView:
        """Makes a layer from the result of `get_config`."""
        layer = cls(keras.saving.deserialize_keras_object(config["config"]))
        layer.name = config["name"]
        return layer

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Makes the views of a batch; see the class."""
        images = tf.cast(inputs["images"], tf.float32)
        return self.augment_images(images, inputs["draws"])

    def augment_images(self, images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """Makes views `[B, S, S, C]` of float32 images `[B, H, W, C]`."""
        raise NotImplementedError

    def augment_one(self, image: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """Makes the view of one image, which may be large.

        The view is the same as that of a call, up to rounding. On photographs
        this is several times faster; see `crop.resample_one`.

        Args:
            image: `[H, W, C]`, any dtype, values 0..255.
            draws: float32 `[D]`, this image's uniforms.

        Returns:
            float32 `[S, S, C]`, values 0..255.
        """
        raise NotImplementedError
