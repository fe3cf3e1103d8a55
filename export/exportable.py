"""Loads the run, clustering or fine-tuning in a directory, to export it."""

from __future__ import annotations

import pathlib

import keras

from and_tf.finetuning.classifier_file import Finetuned, is_finetuning
from and_tf.scan.clustering import Clustering, is_clustering
from and_tf.training.run import Run
from and_tf.utils import checkpoint_names
from and_tf.utils.errors import InputError
from export.tensor_names import OUTPUT, PROBABILITIES

Exportable = Run | Clustering | Finetuned


def load(
    path: pathlib.Path,
    which: str = checkpoint_names.LAST,
    data_dir: str = "",
) -> Exportable:
    """Restores what is in a directory, without its data.

    Args:
        path: The directory of a run, a clustering or a fine-tuning.
        which: Name of the checkpoint, as in `checkpoint_names.round_of`. A
            clustering and a fine-tuning have "last" only.
        data_dir: Directory of the run's data. If empty, it is the directory
            that the run itself used.

    Raises:
        InputError: If the directory holds neither a run nor a finished
            clustering or fine-tuning, or has no such checkpoint.
    """
    found: Exportable
    kind = "clustering" if is_clustering(path) else ""
    kind = "fine-tuning" if is_finetuning(path) else kind
    if kind and which != checkpoint_names.LAST:
        raise InputError(
            f"Expected --checkpoint=last, as {path} is a {kind} and keeps "
            f"its last only. Received: {which}."
        )
    if not kind:
        found = Run(path, which, data_dir)
    elif kind == "clustering":
        found = Clustering(path, data_dir)
    else:
        found = Finetuned(path, data_dir)
    _ = found.encoder  # A missing checkpoint is reported before any work.
    return found


def outputs_of(run: Exportable) -> keras.Model:
    """Makes the Keras model that is exported to one file.

    Args:
        run: The run, the clustering or the fine-tuning to export.

    Returns:
        A model from images to embeddings. That of a clustering or fine-tuning
        gives the two outputs "embedding" and "probabilities", which share the
        backbone.
    """
    if isinstance(run, Run):
        return run.encoder
    images = run.classifier.input
    outputs = {
        OUTPUT: run.encoder.output,
        PROBABILITIES: run.classifier.output,
    }
    return keras.Model(images, outputs, name="classifier")
