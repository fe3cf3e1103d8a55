"""What a recipe of views is to a pipeline, and how its randomness is keyed.

A recipe is a frozen config that makes its own layer and its own uniforms:

    recipe = StrongConfig(image_size=32)
    augment = recipe.layer()
    draws = recipe.draw(seed, epoch, num_examples)
    views = augment({"images": images, "draws": tf.gather(draws, numbers)})

so a pipeline takes any of them.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import keras
import tensorflow as tf


class Recipe(Protocol):
    """How a view is made; see `ViewConfig` and `StrongConfig`.

    Attributes:
        image_size: Side S of a view, in pixels.
    """

    image_size: int

    @property
    def draws(self) -> int:
        """D, how many uniforms a view takes."""

    def layer(self) -> KeyedView:
        """The layer that makes such views."""

    def draw(
        self,
        seed: int | tf.Tensor,
        epoch: int | tf.Tensor,
        num_examples: int,
        stream: int = 0,
    ) -> tf.Tensor:
        """float32 `[num_examples, D]`, see `uniforms`."""
        return uniforms(seed, epoch, num_examples, self.draws, stream)

    def get_config(self) -> dict[str, Any]:
        """The fields that make it again, as Keras keeps them in a file."""
        return {
            field.name: keras.saving.serialize_keras_object(
                getattr(self, field.name)
            )
            for field in dataclasses.fields(self)
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Recipe:
        """Makes a recipe of what `get_config` gave."""
        return cls(
            **{
                # A file has lists in the place of tuples.
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
    """All that is random in the views of one epoch.

    Args:
        seed: The run's seed.
        epoch: The epoch's number; it may be symbolic, as the seed may.
        num_examples: N.
        draws: D, how many a view takes.
        stream: Which of several views of the same images these are for.

    Returns:
        float32 `[N, D]` in [0, 1): a row a sample, by its number.
    """
    key = tf.stack([tf.cast(seed, tf.int64), tf.cast(epoch, tf.int64)])
    if stream:
        # 1 is what the order of an epoch is drawn with.
        key = tf.random.experimental.stateless_fold_in(key, 1 + stream)
    return tf.random.stateless_uniform(
        [num_examples, draws],
        seed=key,
        alg="philox",  # the same numbers on every kind of device
    )


def columns(draws: tf.Tensor, sizes: dict[str, int]) -> dict[str, tf.Tensor]:
    """The columns of draws `[B, D]` by what they decide."""
    parts = tf.split(draws, list(sizes.values()), axis=-1)
    return dict(zip(sizes, parts, strict=True))


class KeyedView(keras.layers.Layer):
    """A layer whose randomness is given to it.

    It is called with `{"images": [B, H, W, 3], "draws": [B, D]}`, pixel
    values 0..255 of any dtype and uniforms from the recipe's `draw`, and
    returns views, float32 `[B, S, S, 3]` with values 0..255. It always
    computes in float32: bfloat16 has too few digits for 256 levels.

    Args:
        config: The recipe.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(dtype="float32")
        self.config = config
        self.built = True  # There are no weights.

    def get_config(self) -> dict[str, Any]:
        """The recipe, serialised, and the name."""
        recipe = keras.saving.serialize_keras_object(self.config)
        return {"config": recipe, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> KeyedView:
        """Makes a layer of what `get_config` gave."""
        layer = cls(keras.saving.deserialize_keras_object(config["config"]))
        layer.name = config["name"]
        return layer

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Views of a batch; see the class."""
        images = tf.cast(inputs["images"], tf.float32)
        return self.augment_images(images, inputs["draws"])

    def augment_images(self, images: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """Views `[B, S, S, 3]` of float32 images `[B, H, W, 3]`."""
        raise NotImplementedError

    def augment_one(self, image: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
        """The view of one image, which may be large.

        It is the view that a call gives, up to rounding. On a photograph it
        is several times faster: see `crop.resample_one`.

        Args:
            image: `[H, W, 3]`, any dtype.
            draws: float32 `[D]`.

        Returns:
            float32 `[S, S, 3]`, values 0..255.
        """
        raise NotImplementedError
