"""Data sets as splits of numbered images."""

from and_tf.data.split import ImageData, Split

__all__ = ["ImageData", "Split"]
