"""The views that clustering learns from, by the names that a flag gives."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from and_tf.augmentation import RandomView, ViewConfig, draw

_STREAM = 2**32  # Beyond any seed that a flag gives.


@dataclasses.dataclass(frozen=True)
class WeakView:
    """The view that the encoder was trained on.

    A recipe is anything with these two methods: a layer that is called with
    `{"images": [B, H, W, 3], "draws": [B, D]}`, and uniforms by sample.

    Attributes:
        config: How the run augmented.
    """

    config: ViewConfig

    def layer(self) -> RandomView:
        """The layer that makes such views."""
        return RandomView(self.config)

    def draw(
        self, seed: int, epoch: int | tf.Tensor, num_examples: int, stream: int
    ) -> tf.Tensor:
        """All that is random in an epoch, float32 [N, D] in [0, 1).

        Args:
            seed: The clustering's.
            epoch: Its number, which may be symbolic.
            num_examples: N.
            stream: Which of several views of one sample.
        """
        return draw(seed + stream * _STREAM, epoch, num_examples)


def recipe(name: str, trained_on: ViewConfig) -> WeakView:
    """The recipe of --augmentation.

    Args:
        name: One of `config.AUGMENTATIONS`.
        trained_on: How the encoder's run augmented, which gives the size.
    """
    recipes = {"weak": lambda: WeakView(trained_on)}
    return recipes[name]()
