"""What is exported: a run's encoder, or a clustering's with its clusters."""

from __future__ import annotations

import dataclasses
import functools
import pathlib

import keras
import numpy as np

from and_tf.scan import classifier, pretrained
from and_tf.scan.classifier import Classifier
from and_tf.training import trained
from and_tf.training.checkpoint import Checkpoint
from and_tf.training.config import TrainConfig
from and_tf.training.trained import TrainedEncoder
from and_tf.utils import checkpoint_names
from and_tf.utils.errors import InputError
from export.tensor_names import OUTPUT, PROBABILITIES


@dataclasses.dataclass(frozen=True)
class ClusteredEncoder:
    """A clustering, with what an export asks of a `TrainedEncoder`.

    Attributes:
        clustering: Its classifier, in float32.
        encoder: uint8 or float32 [B, S, S, 3], values 0..255, to float32
            [B, D] of unit norm, see `embedding_of`.
    """

    clustering: Classifier
    encoder: keras.Model

    @property
    def checkpoint(self) -> Checkpoint:
        """What the weights come from."""
        return self.clustering.checkpoint

    @functools.cached_property
    def config(self) -> TrainConfig:
        """The flags of the run whose images were clustered.

        Raises:
            InputError: If that run cannot be found.
        """
        return pretrained.training_config(
            self.clustering.directory, self.clustering.config
        )

    @property
    def classifier(self) -> keras.Model:
        """From images to probabilities, float32 [B, C]."""
        return self.clustering.model

    @property
    def both(self) -> keras.Model:
        """From images to "embedding" and "probabilities", the trunk shared."""
        images = self.classifier.input
        outputs = {
            OUTPUT: self.encoder.output,
            PROBABILITIES: self.classifier.output,
        }
        return keras.Model(images, outputs, name="clustering")

    @property
    def image_size(self) -> int:
        """S, in pixels."""
        return self.checkpoint.notes["encoder"]["image_size"]

    @property
    def embedding_dim(self) -> int:
        """D."""
        return self.encoder.output_shape[-1]

    @property
    def cluster_names(self) -> tuple[str, ...]:
        """The matched class of each cluster, or else its number."""
        result = self.clustering.result
        clusters = self.classifier.output_shape[-1]
        matching = result["matching"] or [-1] * clusters
        names = result.get("class_names")
        return tuple(
            f"cluster {number}"
            if label < 0
            else names[label]
            if names
            else str(label)
            for number, label in enumerate(matching)
        )

    def bank_rows(self) -> np.ndarray:
        """Raises an `InputError`, for a clustering has no memory bank."""
        raise InputError(
            "Expected a run with a memory bank, for --gallery=bank. Received "
            f"the clustering {self.clustering.directory.path}, which has "
            "none. Use --gallery=clean."
        )


Exportable = TrainedEncoder | ClusteredEncoder


def load(path: pathlib.Path, which: str = "last") -> Exportable:
    """Restores what a directory has to export; needs no data.

    Args:
        path: A run's directory, or a clustering's.
        which: See `checkpoint_name.round_of`; a clustering has its last.

    Raises:
        InputError: If it is neither, or not finished as far as is needed, or
            has no such checkpoint.
    """
    if not classifier.is_clustering(path):
        return trained.load_encoder(path, which)
    if which != checkpoint_names.LAST:
        raise InputError(
            f"Expected --checkpoint=last of a clustering, {path}, whose heads "
            f"were chosen after its last epoch. Received: {which}."
        )
    found = classifier.load(path)
    return ClusteredEncoder(found, embedding_of(found))


def outputs_of(run: Exportable) -> keras.Model:
    """All that is exported in one file: embeddings, or clusters with them."""
    return run.both if isinstance(run, ClusteredEncoder) else run.encoder


def keeps_projection(clustering: Classifier) -> bool:
    """Whether an encoder's embedding still is what it was trained to be.

    Fine-tuning for heads on the backbone's features changes what goes into
    the projection, and leaves the projection as it was.
    """
    config = clustering.config
    return config.freeze or config.features == "embedding"


def embedding_of(clustering: Classifier) -> keras.Model:
    """From images to what a clustering's images are compared by.

    It is the encoder's embedding, or where that has lost its meaning the
    features that the heads see, at unit norm.
    """
    if keeps_projection(clustering):
        return clustering.scan.encoder
    trunk = clustering.scan.trunk
    unit = keras.layers.UnitNormalization(dtype="float32", name="unit_norm")
    return keras.Model(trunk.input, unit(trunk.output), name="features")
