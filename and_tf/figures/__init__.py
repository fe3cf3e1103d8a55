"""Pictures of a run, drawn without a display."""

from and_tf.figures.attention_grid import attention_array
from and_tf.figures.canvas import encode_png, save_png
from and_tf.figures.confusion import confusion_array
from and_tf.figures.embedding_map import map_array
from and_tf.figures.neighbour_gallery import gallery, gallery_array
from and_tf.figures.prototypes import prototypes_array
from and_tf.figures.round_consistency import consistency_array
from and_tf.figures.sprite_sheet import sprite
from and_tf.figures.training_curves import curves

__all__ = [
    "attention_array",
    "confusion_array",
    "consistency_array",
    "curves",
    "encode_png",
    "gallery",
    "gallery_array",
    "map_array",
    "prototypes_array",
    "save_png",
    "sprite",
]
