"""Where an encoder looks: Grad-CAM [1] of an embedding's similarity.

Grad-CAM explains a class' score, and without labels there is none. In its
place stands s = x · x̃, the similarity of an image's embedding x with its own
row x̃ of the memory bank: the numerator of equation 2, so what instance
discrimination raises, and x̃ is the constant that the loss pulls x to.

The gradient is that of the normalised embedding. As the length of what is
normalised sets no score, only what turns the embedding counts: places that
pull it to its row stand against those that pull it away. After average
pooling and a linear layer without bias both sum to nought exactly, before the
ReLU; a map therefore shows where an image is more like its row than it is on
the whole.

[1] Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via
    Gradient-based Localization, ICCV 2017. https://arxiv.org/abs/1610.02391
"""

from __future__ import annotations

import math

import keras
import numpy as np
import tensorflow as tf

from and_tf import backbones


class GradCam:
    """Heat maps of one encoder, whatever weights it has at the time.

    Args:
        encoder: From images [B, S, S, 3] to embeddings [B, D], normalised or
            not; a functional or sequential Keras model.
        layer: Whose output [B, h, w, C] is asked; empty takes
            `backbones.last_feature_map`.

    Attributes:
        layer: Its name.
    """

    def __init__(self, encoder: keras.Model, layer: str = "") -> None:
        self.layer = layer or backbones.last_feature_map(encoder)
        output = encoder.get_layer(self.layer).output
        self._model = keras.Model(encoder.inputs, [output, encoder.outputs[0]])
        # A graph, since many rounds' weights go through it one by one.
        self._graph = tf.function(self._maps, reduce_retracing=True)

    def __call__(
        self, images: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Asks the encoder in inference mode.

        Args:
            images: [B, S, S, 3], pixel values 0..255.
            rows: float32 [B, D], what each embedding is compared with.

        Returns:
            (maps float32 [B, h, w] of 0 and above, similarities float32 [B]).
        """
        found = self._graph(
            tf.cast(images, tf.float32), tf.cast(rows, tf.float32)
        )
        return tuple(part.numpy() for part in found)

    def _maps(
        self, images: tf.Tensor, rows: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(images)  # Also where no weight is trainable.
            features, embeddings = self._model(images, training=False)
            embeddings = tf.math.l2_normalize(
                tf.cast(embeddings, tf.float32), axis=1
            )
            scores = tf.reduce_sum(embeddings * rows, axis=1)  # [B]
        gradients = tape.gradient(scores, features)  # [B, h, w, C]
        # Equation 1 of [1]: α_k, a channel's weight.
        weights = tf.reduce_mean(gradients, axis=[1, 2], keepdims=True)
        # Equation 2: ReLU(Σ_k α_k A_k).
        maps = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1))
        return tf.cast(maps, tf.float32), scores


def enlarge(maps: np.ndarray, side: int) -> np.ndarray:
    """Maps [B, h, w] at an image's size, bilinear: float32 [B, side, side]."""
    large = tf.image.resize(maps[..., np.newaxis], [side, side])
    return large[..., 0].numpy()


def centre_share(maps: np.ndarray) -> np.ndarray:
    """The share of each map's mass in the central square of half the side.

    It is 0.25 of an even map. Cells that the square cuts count in part.

    Args:
        maps: [B, n, n].

    Returns:
        float64 [B], NaN where a map is 0 throughout.
    """
    side = maps.shape[1]
    cells = np.arange(side)
    inside = np.minimum(cells + 1, 3 * side / 4) - np.maximum(cells, side / 4)
    inside = np.maximum(inside, 0)  # [n]
    return np.einsum("bij,i,j->b", _shares(maps), inside, inside)


def normalised_entropy(maps: np.ndarray) -> np.ndarray:
    """Entropy of each map's mass over its places, as a part of the largest.

    Args:
        maps: [B, h, w], of more than one place.

    Returns:
        float64 [B]: 1 of an even map, 0 of a single place, NaN where a map
        is 0 throughout.
    """
    shares = _shares(maps).reshape(len(maps), math.prod(maps.shape[1:]))
    logs = np.log(np.where(shares > 0, shares, 1))  # 0 · log 0 = 0
    return -(shares * logs).sum(1) / np.log(shares.shape[1])


def _shares(maps: np.ndarray) -> np.ndarray:
    """Each map's mass as parts of 1, float64; NaN where there is none."""
    mass = maps.sum((1, 2), dtype=np.float64, keepdims=True)
    return maps / np.where(mass > 0, mass, np.nan)
