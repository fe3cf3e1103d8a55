"""Makes several views of the same images, each by its own recipe and draws."""

from __future__ import annotations

import dataclasses

import keras
import tensorflow as tf

from and_tf.augmentation.stateless import KeyedView, Recipe


@keras.saving.register_keras_serializable(package="and_tf")
@dataclasses.dataclass(frozen=True)
class Views(Recipe):
    """A recipe of several views, usable wherever a recipe of one view is.

    Its layer returns a tuple of views, in the order of the recipes, where the
    layer of another recipe returns one view:

        recipe = Views((ViewConfig(32), StrongConfig(32)))
        batches = train_batches(split, recipe, …)
        for (weak, strong), numbers in batches: …

    The first recipe makes the same views as when it is used alone.

    Attributes:
        recipes: One recipe for each view.
    """

    recipes: tuple[Recipe, ...]

    @property
    def image_size(self) -> int:  # type: ignore[override]
        """The side of the largest view, in pixels."""
        return max(recipe.image_size for recipe in self.recipes)

    @property
    def draws(self) -> int:
        """The number of uniforms of all views of an image together."""
        return sum(recipe.draws for recipe in self.recipes)

    def layer(self) -> SeveralViews:
        """Returns the layer that makes such views."""
        return SeveralViews(self)

    def draw(
        self,
        seed: int | tf.Tensor,
        epoch: int | tf.Tensor,
        num_examples: int,
        stream: int = 0,
    ) -> tf.Tensor:
        """Draws float32 `[num_examples, draws]` in [0, 1); see `uniforms`.

        View i uses stream `stream` + i, so that two views of the same recipe
        differ.
        """
        parts = [
            recipe.draw(seed, epoch, num_examples, stream + index)
            for index, recipe in enumerate(self.recipes)
        ]
        return tf.concat(parts, axis=-1)


@keras.saving.register_keras_serializable(package="and_tf")
class SeveralViews(KeyedView):
    """A layer that applies the layers of several recipes to the same images."""

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
