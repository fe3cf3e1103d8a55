"""Computes Grad-CAM [1] heat maps of an embedding's similarity.

Grad-CAM explains the score of a class, and without labels there is no such
score. This module explains s = x · x̃ instead, the similarity of an image's
embedding x with its own row x̃ of the memory bank. It is the numerator of
equation 2, which instance discrimination raises; x̃ is the constant that the
loss pulls x towards.

The gradient is taken through the normalisation of the embedding. The length
of the embedding does not change the score, so only changes of its direction
count: some places pull the embedding towards its row and others away from it.
If average pooling and a linear layer without bias follow the feature map, the
two pulls sum to exactly 0 before the ReLU. A map therefore shows where an
image is more similar to its row than it is on average.

[1] Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via
    Gradient-based Localization, ICCV 2017. https://arxiv.org/abs/1610.02391
"""

from __future__ import annotations

import math

import keras
import numpy as np
import tensorflow as tf

from and_tf import encoders
from and_tf.encoders.saved_models import SavedModelLayer
from and_tf.utils.errors import InputError


class GradCam:
    """A function that computes heat maps with an encoder's current weights.

    Args:
        encoder: A functional or sequential Keras model from images
            [B, S, S, 3] to embeddings [B, D], which need not be normalised.
        layer: The name of the layer whose output [B, h, w, C] is used. If
            empty, it is `encoders.last_feature_map`.

    Attributes:
        layer: The name of the layer.

    Raises:
        InputError: If the encoder has no such layer, or is a SavedModel, which
            passes no gradients.
    """

    def __init__(self, encoder: keras.Model, layer: str = "") -> None:
        self.layer = layer or encoders.last_feature_map(encoder)
        names = [each.name for each in encoder.layers]
        behind = encoder.layers[names.index(self.layer) + 1 :]
        if any(isinstance(each, SavedModelLayer) for each in behind):
            raise InputError(
                "Expected an encoder whose layers are known, for maps of where "
                f"it looks. Received: {encoder.name}, the SavedModel of "
                "another program, whose feature maps are not known."
            )
        output = encoder.get_layer(self.layer).output
        self._model = keras.Model(encoder.inputs, [output, encoder.outputs[0]])
        # A graph pays off, as it is used with the weights of many rounds.
        self._graph = tf.function(self._maps, reduce_retracing=True)

    def __call__(
        self, images: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Computes heat maps and similarities, in inference mode.

        Args:
            images: [B, S, S, 3], pixel values 0..255.
            rows: float32 [B, D], the row that each embedding is compared
                with.

        Returns:
            (maps float32 [B, h, w], not negative; similarities float32 [B]).
        """
        found = self._graph(
            tf.cast(images, tf.float32), tf.cast(rows, tf.float32)
        )
        return tuple(part.numpy() for part in found)

    def _maps(
        self, images: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(images)  # Needed if no weight is trainable.
            features, embeddings = self._model(images, training=False)
            embeddings = tf.math.l2_normalize(
                tf.cast(embeddings, tf.float32), axis=1
            )
            scores = tf.reduce_sum(embeddings * rows, axis=1)  # [B]
        gradients = tape.gradient(scores, features)  # [B, h, w, C]
        # Equation 1 of [1]: the weight α_k of each channel.
        weights = tf.reduce_mean(gradients, axis=[1, 2], keepdims=True)
        # Equation 2: ReLU(Σ_k α_k A_k).
        maps = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1))
        return tf.cast(maps, tf.float32), scores


def enlarge(maps: np.ndarray, side: int) -> np.ndarray:
    """Enlarges maps [B, h, w] bilinearly to float32 [B, side, side]."""
    large = tf.image.resize(maps[..., np.newaxis], [side, side])
    return large[..., 0].numpy()


def centre_share(maps: np.ndarray) -> np.ndarray:
    """Computes the share of each map's mass in its central square.

    The square has half the side of the map, so the share of an even map is
    0.25. Cells that the square cuts count in part.

    Args:
        maps: [B, n, n], not negative.

    Returns:
        float64 [B], NaN for maps that are 0 everywhere.
    """
    side = maps.shape[1]
    cells = np.arange(side)
    inside = np.minimum(cells + 1, 3 * side / 4) - np.maximum(cells, side / 4)
    inside = np.maximum(inside, 0)  # [n]
    return np.einsum("bij,i,j->b", _shares(maps), inside, inside)


def normalised_entropy(maps: np.ndarray) -> np.ndarray:
    """Computes the entropy of each map, divided by the largest possible.

    Args:
        maps: [B, h, w], not negative, with h · w > 1.

    Returns:
        float64 [B]: 1 for an even map, 0 for a map with a single place above
        0, and NaN for maps that are 0 everywhere.
    """
    shares = _shares(maps).reshape(len(maps), math.prod(maps.shape[1:]))
    logs = np.log(np.where(shares > 0, shares, 1))  # 0 · log 0 = 0
    return -(shares * logs).sum(1) / np.log(shares.shape[1])


def _shares(maps: np.ndarray) -> np.ndarray:
    """Scales each map to a sum of 1, float64; NaN if the map is empty."""
    mass = maps.sum((1, 2), dtype=np.float64, keepdims=True)
    return maps / np.where(mass > 0, mass, np.nan)
