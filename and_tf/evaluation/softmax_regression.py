"""Trains softmax regression by SGD, the literature's linear protocol.

It trains one linear layer on frozen features by cross-entropy, with a
momentum of 0.9 and without weight decay. The learning rate falls to a tenth
after each third of the epochs. The features are those of clean views, so
there are no random crops.

Standardised features are divided by √d, so that the features of an image have
a norm of about 1 and one learning rate suits layers of any size. This equals
a learning rate divided by d on the undivided features.
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
    """Returns the learning rate of an epoch: ×0.1 after each third.

    Args:
        epoch: The number of the epoch, from 0.
        epochs: The number of epochs.
        first: The learning rate of the first third.
    """
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
    """Trains the classifier from weights of 0, without model selection.

    Args:
        features: The features of N training images.
        labels: int64 [N], their classes.
        classes: The number of classes C.
        standardise: The standardisation of these features.
        epochs: The number of epochs.
        learning_rate: The learning rate of the first third of the epochs.
        seed: The random seed of the order in each epoch.
        on_batch: A function that is called after each step with the number
            of its images. By default, it does nothing.

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
        # The gradient of the cross-entropy, in float32 like the features.
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
