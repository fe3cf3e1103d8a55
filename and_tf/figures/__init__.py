"""Draws pictures of a run as arrays, without a display."""

from and_tf.figures.attention_grid import attention_array
from and_tf.figures.canvas import encode_png, save_png
from and_tf.figures.cluster_pictures import confusion_array, prototypes_array
from and_tf.figures.comparison import comparison_array
from and_tf.figures.embedding_map import map_array
from and_tf.figures.neighbour_gallery import gallery_array, retrieval_array
from and_tf.figures.round_consistency import consistency_array
from and_tf.figures.tiles import sprite
from and_tf.figures.training_curves import curves_array

__all__ = [
    "attention_array",
    "comparison_array",
    "confusion_array",
    "consistency_array",
    "curves_array",
    "encode_png",
    "gallery_array",
    "map_array",
    "prototypes_array",
    "retrieval_array",
    "save_png",
    "sprite",
]
