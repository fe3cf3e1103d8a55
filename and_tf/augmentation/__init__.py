"""Augmentation: random views of images, keyed by (seed, epoch, sample).

The only place in the package that knows of keras-cv.
"""

from and_tf.augmentation.view import DRAWS, RandomView, ViewConfig, draw

__all__ = ["DRAWS", "RandomView", "ViewConfig", "draw"]
