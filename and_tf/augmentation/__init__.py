"""Augmentation: random views of images, keyed by (seed, epoch, sample).

The layers are plain Keras layers. Those of keras-cv can stand in their place
(`AND(…, augmenter=…)`), and are what speed is compared with; nothing here
imports keras-cv, whose last release does not load beside newer Keras.
"""

from and_tf.augmentation.stateless import KeyedView, Recipe
from and_tf.augmentation.strong import StrongConfig, StrongView
from and_tf.augmentation.view import DRAWS, RandomView, ViewConfig, draw
from and_tf.augmentation.views import SeveralViews, Views

__all__ = [
    "DRAWS",
    "KeyedView",
    "RandomView",
    "Recipe",
    "SeveralViews",
    "StrongConfig",
    "StrongView",
    "ViewConfig",
    "Views",
    "draw",
]
