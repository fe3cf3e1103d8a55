"""Trains the linear head on frozen features that fine-tuning begins with."""

from __future__ import annotations

import hashlib

import keras
import numpy as np

from and_tf.evaluation import softmax_regression
from and_tf.evaluation.features import Features
from and_tf.evaluation.linear_classifier import standardisation
from and_tf.finetuning.config import FinetuneConfig
from and_tf.finetuning.experiment import FinetuneDirectory
from and_tf.finetuning.labelling import Labelled
from and_tf.training.run import Run
from and_tf.utils import archives, atomic_files
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted

LEARNING_RATE = 3.0  # Of the linear protocol, on standardised features.
Head = tuple[np.ndarray, np.ndarray]  # float32 [F, C] and float32 [C].
_ARRAYS = {"kernel": ("f", 2), "bias": ("f", 1), "mark": ("u", 1)}


def train(
    config: FinetuneConfig,
    directory: FinetuneDirectory,
    source: Run,
    labelled: Labelled,
    trunk: keras.Model,
    digest: str,
) -> Head:
    """Trains a linear head on frozen features, or reads the one kept.

    Args:
        config: The config of the fine-tuning.
        directory: The directory that keeps the head.
        source: The run that is fine-tuned.
        labelled: The labelled images.
        trunk: The network, as the run has trained it.
        digest: The SHA-256 of its weights, see `weights.digest`.

    Returns:
        (its weights, float32 [F, C]; its biases, float32 [C]).

    Raises:
        InputError: If the file of a fine-tuning that is resumed is damaged.
    """
    text = f"{labelled.digest} {digest}".encode()
    mark = np.frombuffer(hashlib.sha256(text).digest(), np.uint8)
    if directory.head.is_file():
        try:
            kernel, bias, of = archives.read(directory.head, _ARRAYS)
        except archives.DAMAGE as error:
            raise InputError(
                f"Expected the linear head in {directory.head}. Received a "
                f"file that cannot be read ({archives.why(error)}). Begin "
                "anew with another --output_dir."
            ) from error
        if np.array_equal(of, mark):
            return kernel, bias
    learn = labelled.learn
    limit = int(config.memory_gib * 2**30)
    features = Features(trunk, learn, source.image_size, limit)
    standardise = standardisation(features)
    with Counted("linear head", config.head_epochs * learn.size) as progress:
        fitted = softmax_regression.fit(
            features, learn.labels, len(labelled.class_names), standardise,
            epochs=config.head_epochs, learning_rate=LEARNING_RATE,
            seed=config.seed, on_batch=progress.advance,
        )  # fmt: skip
    # The head of the network sees features that are not standardised.
    kernel = fitted.weights / standardise.scale[:, None]
    bias = fitted.bias - standardise.mean @ kernel
    atomic_files.write(
        directory.head,
        lambda file: np.savez(file, kernel=kernel, bias=bias, mark=mark),
    )
    return kernel, bias
