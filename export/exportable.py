"""Loads the run or the clustering in a directory, to export it."""

from __future__ import annotations

import pathlib

import keras

from and_tf.scan.clustering import Clustering, is_clustering
from and_tf.training.run import Run
from and_tf.utils import checkpoint_names
from and_tf.utils.errors import InputError
from export.tensor_names import OUTPUT, PROBABILITIES

Exportable = Run | Clustering


def load(
    path: pathlib.Path,
    which: str = checkpoint_names.LAST,
    data_dir: str = "",
) -> Exportable:
    """Restores the run or the clustering in a directory, without its data.

    Args:
        path: The directory of a run or of a clustering.
        which: Name of the checkpoint, as in `checkpoint_names.round_of`. A
            clustering has "last" only.
        data_dir: Directory of the run's data. If empty, it is the directory
            that the run itself used.

    Raises:
        InputError: If the directory holds neither a run nor a finished
            clustering, or has no such checkpoint.
    """
    found: Exportable
    if not is_clustering(path):
        found = Run(path, which, data_dir)
    elif which == checkpoint_names.LAST:
        found = Clustering(path, data_dir)
    else:
        raise InputError(
            f"Expected --checkpoint=last, as {path} is a clustering and keeps "
            f"its last only. Received: {which}."
        )
    _ = found.encoder  # A missing checkpoint is reported before any work.
    return found


def outputs_of(run: Exportable) -> keras.Model:
    """Makes the Keras model that is exported to one file.

    Args:
        run: The run or the clustering to export.

    Returns:
        A model from images to embeddings. That of a clustering gives the two
        outputs "embedding" and "probabilities", which share the backbone.
    """
    if isinstance(run, Run):
        return run.encoder
    images = run.classifier.input
    outputs = {
        OUTPUT: run.encoder.output,
        PROBABILITIES: run.classifier.output,
    }
    return keras.Model(images, outputs, name="clustering")
