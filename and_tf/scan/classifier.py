"""A clustering's classifier, taken up again without any data."""

from __future__ import annotations

import dataclasses
import pathlib

import keras

from and_tf import backbones
from and_tf.scan.config import ClusterConfig
from and_tf.scan.directory import ClusterDirectory
from and_tf.scan.scan_model import SCAN
from and_tf.training.checkpoint import Checkpoint
from and_tf.utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A finished clustering.

    Attributes:
        directory: Where it lies.
        config: Its flags.
        checkpoint: What the weights come from: the epoch of the lowest loss
            or, after self-labelling, the newest that is whole.
        result: The content of its result.json.
        scan: All of its heads.
        model: uint8 or float32 [B, S, S, 3], values 0..255, to the
            probabilities of the clusters, float32 [B, C], by the head that
            was chosen.
    """

    directory: ClusterDirectory
    config: ClusterConfig
    checkpoint: Checkpoint
    result: dict
    scan: SCAN
    model: keras.Model


def load(path: pathlib.Path) -> Classifier:
    """Restores the classifier of a clustering.

    Args:
        path: Its directory.

    Raises:
        InputError: If it is none, or is not finished.
    """
    directory = ClusterDirectory(path)
    config = directory.config()
    checkpoint = directory.checkpoints.latest()
    result = directory.read_result()
    if checkpoint is None or result is None:
        raise InputError(
            f"Expected a finished clustering in {path}. Received one that is "
            "not: go on with it by python -m and_tf.cluster --resume."
        )
    labelled, best = result["self_labelling"], result["clustering"].get("epoch")
    # Older ones kept the last epoch.
    if best and not (labelled and labelled["epochs"]):
        checkpoint = directory.checkpoints.best(best)
    notes = checkpoint.notes
    scan = SCAN(
        backbones.build(**notes["encoder"]),
        notes["clusters"],
        heads=notes["heads"],
        features=notes["features"],
    )
    restore(scan, checkpoint)
    # Self-labelling has gone on with the chosen one alone.
    head = result["head"] if notes["heads"] > 1 else 0
    model = single_head(scan, head)
    return Classifier(directory, config, checkpoint, result, scan, model)


def restore(scan: SCAN, checkpoint: Checkpoint) -> None:
    """Gives a clustering's weights, or their average if it has one."""
    learnt = [*scan.encoder.variables, *scan.method_variables]
    arrays = checkpoint.arrays("method")[len(scan.method_variables) :]
    if not arrays:
        checkpoint.restore("encoder", scan.encoder.variables)
        checkpoint.restore("method", scan.method_variables)
        return
    for variable, average in zip(learnt, arrays, strict=True):
        variable.assign(average)


def single_head(scan: SCAN, head: int) -> keras.Model:
    """A model from images to one head's probabilities, float32 [B, C]."""
    start = head * scan.clusters
    logits = scan.head(scan.trunk.output)[:, start : start + scan.clusters]
    probabilities = keras.layers.Softmax(dtype="float32", name="clusters")
    return keras.Model(scan.trunk.input, probabilities(logits), name="scan")


def is_clustering(path: pathlib.Path) -> bool:
    """Whether a directory is that of a clustering, and not of a run.

    Its flags tell, from the first moment on: λ is SCAN's alone.
    """
    try:
        text = ClusterDirectory(path).flagfile.read_text()
    except (OSError, ValueError):
        return False
    return "--entropy_weight=" in text
