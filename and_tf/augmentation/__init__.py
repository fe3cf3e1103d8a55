"""Augmentation: random views of images, keyed by (seed, epoch, sample).

The only place in the package that knows of keras-cv.
"""

from and_tf.augmentation.keyed import KeyedView, Recipe
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
