"""Draws the images on which the ranges of int8 activations are measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

import numpy as np

from and_tf.data.pipeline import clean_batches
from and_tf.data.split import Split, subset
from and_tf.utils.progress import Counted, standard_error_aside
from export.exportable import Exportable, exported
from export.file_values import dtype
from export.tflite.conversion import convert

_BATCH = 20  # Images between two updates of the progress bar.


def draw(split: Split, count: int, seed: int) -> Split:
    """Draws calibration images from the training split.

    Args:
        split: The training split of the run.
        count: The number of images to draw; all if there are fewer.
        seed: The random seed of the run.
    """
    return subset(split, count, seed)


def convert_int8(run: Exportable, split: Split) -> bytes:
    """Converts the model of a run to int8, and shows the progress.

    Args:
        run: The run or the clustering to export.
        split: The calibration images, of which the clean views are taken.

    Returns:
        The content of a .tflite file.
    """
    # The converter's lines on standard error are hidden, but progress is shown.
    with standard_error_aside() as shown:
        views = _clean_views(split, run.image_size, shown)
        values = map(run.form.values, views)
        return convert(exported(run), "int8", values, dtype(run.form))


def _clean_views(
    split: Split, image_size: int, shown: TextIO
) -> Iterator[np.ndarray]:
    batches = clean_batches(split, image_size, _BATCH)
    with Counted("calibrate", split.size, stream=shown) as progress:
        for images, _ in batches.as_numpy_iterator():
            yield images
            progress.advance(len(images))
