"""Makes random views of images, determined by (seed, epoch, sample).

The layers are plain Keras layers. You can use layers of keras-cv instead
(`AND(…, augmenter=…)`); the benchmarks compare speed with them. Nothing here
imports keras-cv, because its last release does not load with newer versions of
Keras.
"""

from and_tf.augmentation.stateless import KeyedView, Recipe
from and_tf.augmentation.strong import StrongConfig, StrongView
from and_tf.augmentation.view import DRAWS, RandomView, ViewConfig, draw

__all__ = [
    "DRAWS",
    "KeyedView",
    "RandomView",
    "Recipe",
    "StrongConfig",
    "StrongView",
    "ViewConfig",
    "draw",
]
