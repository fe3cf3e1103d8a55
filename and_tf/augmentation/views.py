"""Several views of the same images, each by a recipe and draws of its own."""

from __future__ import annotations

import dataclasses

import keras
import tensorflow as tf

from and_tf.augmentation.stateless import KeyedView, Recipe


@keras.saving.register_keras_serializable(package="and_tf")
@dataclasses.dataclass(frozen=True)
class Views(Recipe):
    """The recipe of several views; wherever one goes, it goes too.

    Its layer gives a tuple of views, in the order of the recipes, where that
    of another gives one:

        recipe = Views((ViewConfig(32), StrongConfig(32)))
        batches = train_batches(split, recipe, …)
        for (weak, strong), numbers in batches: …

    The first recipe's views are those that it makes alone.

    Attributes:
        recipes: One a view.
    """

    recipes: tuple[Recipe, ...]

    @property
    def image_size(self) -> int:
        """Side of the largest view, in pixels."""
        return max(recipe.image_size for recipe in self.recipes)

    @property
    def draws(self) -> int:
        """How many uniforms the views of an image take together."""
        return sum(recipe.draws for recipe in self.recipes)

    def layer(self) -> SeveralViews:
        """The layer that makes such views."""
        return SeveralViews(self)

    def draw(
        self,
        seed: int | tf.Tensor,
        epoch: int | tf.Tensor,
        num_examples: int,
        stream: int = 0,
    ) -> tf.Tensor:
        """float32 `[num_examples, draws]` in [0, 1); see `uniforms`.

        View i takes stream `stream` + i, so that two of the same recipe
        differ.
        """
        parts = [
            recipe.draw(seed, epoch, num_examples, stream + index)
            for index, recipe in enumerate(self.recipes)
        ]
        return tf.concat(parts, axis=-1)


@keras.saving.register_keras_serializable(package="and_tf")
class SeveralViews(KeyedView):
    """The layers of some recipes, on the same images."""

    config: Views

    def __init__(self, config: Views) -> None:
        super().__init__(config)
        self.layers = [recipe.layer() for recipe in config.recipes]

    def augment_images(
        self, images: tf.Tensor, draws: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        return tuple(
            layer.augment_images(images, part)
            for layer, part in zip(self.layers, self._split(draws), strict=True)
        )

    def augment_one(
        self, image: tf.Tensor, draws: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        return tuple(
            layer.augment_one(image, part)
            for layer, part in zip(self.layers, self._split(draws), strict=True)
        )

    def _split(self, draws: tf.Tensor) -> list[tf.Tensor]:
        sizes = [recipe.draws for recipe in self.config.recipes]
        return tf.split(draws, sizes, axis=-1)
