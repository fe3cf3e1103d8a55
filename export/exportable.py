"""Loads the run, clustering or fine-tuning in a directory, to export it."""

from __future__ import annotations

import pathlib

import keras

from and_tf.finetuning.finetuned import Finetuned, is_finetuning
from and_tf.scan.clustering import Clustering, is_clustering
from and_tf.scan.scan_model import trunk_of
from and_tf.training.run import Run
from and_tf.utils import checkpoint_names
from and_tf.utils.errors import InputError
from export import file_values
from export.tensor_names import (
    BACKBONE,
    EMBEDDING,
    FEATURES,
    OUTPUT,
    PROBABILITIES,
)

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


def outputs_of(run: Exportable, features: str = EMBEDDING) -> keras.Model:
    """Makes the Keras model that is exported to one file.

    Args:
        run: The run, the clustering or the fine-tuning to export.
        features: "embedding", the vectors of unit norm, or "backbone", the
            features before the head.

    Returns:
        A model from images to embeddings or features. That of a clustering or
        a fine-tuning has two outputs by name: "embedding" or "features", and
        "probabilities". They share the backbone.
    """
    encoder = _encoder(run, features)
    if isinstance(run, Run):
        return encoder
    outputs = {
        output_name(features): encoder.output,
        PROBABILITIES: run.classifier.output,
    }
    return keras.Model(run.classifier.input, outputs, name="classifier")


def exported(run: Exportable, features: str = EMBEDDING) -> keras.Model:
    """Makes the model of `outputs_of` that takes the values of files.

    Args:
        run: The run, the clustering or the fine-tuning to export.
        features: As for `outputs_of`.
    """
    return file_values.taking_values(outputs_of(run, features), run.form)


def _encoder(run: Exportable, features: str) -> keras.Model:
    if features == EMBEDDING:
        return run.encoder
    if isinstance(run, Finetuned):
        return run.trunk
    whole = run.encoder if isinstance(run, Run) else run.scan.encoder
    return trunk_of(whole, BACKBONE)


def output_name(features: str) -> str:
    """Returns the name of the output that holds an image's vector."""
    return FEATURES if features == BACKBONE else OUTPUT


def lengths(run: Exportable, features: str = EMBEDDING) -> dict[str, int]:
    """Returns the length of each output of `outputs_of`, by name."""
    found = {output_name(features): _encoder(run, features).output_shape[-1]}
    if not isinstance(run, Run):
        found[PROBABILITIES] = run.classifier.output_shape[-1]
    return found
