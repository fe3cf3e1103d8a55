"""Softmax regression by SGD, the literature's linear protocol.

One linear layer on frozen features, trained by cross entropy with momentum
0.9, without weight decay, at a learning rate that falls to a tenth after each
third of the epochs. The features are those of the images' clean views: there
are no random crops.

Standardised features are divided by √d, so that each image's have a norm of
about 1 and one learning rate serves layers of any size; to the features
themselves it is the learning rate over d.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from and_tf.evaluation.features import Features
from and_tf.evaluation.linear_classifier import (
    LinearClassifier,
    Standardisation,
)

BATCH = 256
MOMENTUM = 0.9


def rate_of(epoch: int, epochs: int, first: float) -> float:
    """The learning rate of an epoch, from 0: ×0.1 after each third."""
    return first * 0.1 ** (3 * epoch // epochs)


def fit(
    features: Features,
    labels: np.ndarray,
    classes: int,
    standardise: Standardisation,
    *,
    epochs: int,
    learning_rate: float,
    seed: int,
    on_batch: Callable[[int], None] = lambda _: None,
) -> LinearClassifier:
    """Trains from zeros; nothing is chosen by any accuracy.

    Args:
        features: Of N training images.
        labels: int64 [N].
        classes: C.
        standardise: Of these features.
        epochs: How many.
        learning_rate: Of the first third.
        seed: Draws the order of each epoch.
        on_batch: Told after each step how many images it had.

    Returns:
        The classifier after the last step.
    """
    weights = tf.Variable(tf.zeros([features.dimension, classes]))
    bias = tf.Variable(tf.zeros([classes]))
    optimiser = keras.optimizers.SGD(learning_rate, momentum=MOMENTUM)
    shrink = features.dimension**-0.5

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec([None, features.dimension]),
            tf.TensorSpec([None], tf.int64),
        ],
    )
    def step(rows: tf.Tensor, truth: tf.Tensor) -> None:
        rows = standardise(rows) * shrink
        logits = rows @ weights + bias
        # Cross entropy's gradient, in float32 as the features are.
        excess = tf.nn.softmax(logits) - tf.one_hot(truth, classes)
        excess /= tf.cast(tf.shape(rows)[0], tf.float32)
        gradient = tf.matmul(rows, excess, transpose_a=True)
        optimiser.apply([gradient, tf.reduce_sum(excess, 0)], [weights, bias])

    optimiser.build([weights, bias])
    for epoch in range(epochs):
        optimiser.learning_rate.assign(rate_of(epoch, epochs, learning_rate))
        for rows, numbers in features.shuffled(BATCH, seed, epoch):
            step(rows, tf.convert_to_tensor(labels[numbers]))
            on_batch(len(numbers))
    return LinearClassifier(weights.numpy() * np.float32(shrink), bias.numpy())
