"""Loads what a directory has to export: a run's encoder, or a clustering."""

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
    """Restores what a directory has to export; needs no data.

    Args:
        path: A run's directory, or a clustering's.
        which: See `checkpoint_names.round_of`; a clustering has its last.
        data_dir: Where the run's data lie now; empty where they lay before.

    Raises:
        InputError: If it is neither, or not finished as far as is needed, or
            has no such checkpoint.
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
    _ = found.encoder  # What is missing is said before any work.
    return found


def outputs_of(run: Exportable) -> keras.Model:
    """Makes the model that one file exports.

    Returns:
        Images to embeddings; of a clustering, to "embedding" and
        "probabilities", which share the trunk.
    """
    if isinstance(run, Run):
        return run.encoder
    images = run.classifier.input
    outputs = {
        OUTPUT: run.encoder.output,
        PROBABILITIES: run.classifier.output,
    }
    return keras.Model(images, outputs, name="clustering")
