"""Builds AlexNet [1] in torchvision's single-column form, with batch norm.

Every layer except the embedding has batch norm, and no layer has dropout, as
in instance discrimination [2], which AND starts from. Without labels,
AlexNet's original recipe of biases and dropout trains badly, and dropout would
blur the embeddings in the memory bank.

The CIFAR layout is this project's own, because the paper's code for it is not
public: conv1 is 5×5 with stride 1, and each pool halves the size exactly, so
that conv2 sees S / 2 pixels per side and conv3 to conv5 see S / 4.

[1] Krizhevsky, One weird trick for parallelizing convolutional neural
    networks, 2014. https://arxiv.org/abs/1404.5997
[2] Wu et al., Unsupervised Feature Learning via Non-Parametric Instance
    Discrimination, CVPR 2018. https://arxiv.org/abs/1805.01978
"""

from __future__ import annotations

import keras
from keras import layers

from and_tf.encoders.blocks import INITIALISER, conv_norm, scaled
from and_tf.utils.errors import InputError

_SMALLEST = 63  # Pixels per side; "pool5" then leaves one (ImageNet stem).


def trunk(
    images: keras.KerasTensor, stem: str, width: float
) -> keras.KerasTensor:
    """Computes the features of normalised images.

    Args:
        images: symbolic [B, S, S, 3].
        stem: "cifar" or "imagenet".
        width: Factor of all channel counts.

    Returns:
        [B, 4096 · width], the output of layer "fc7".

    Raises:
        InputError: If the images are too small for the ImageNet layout.
    """
    cifar = stem == "cifar"
    if not cifar and images.shape[1] < _SMALLEST:
        raise InputError(
            f"Expected an image_size of {_SMALLEST} or more for alexnet with "
            f"the stem 'imagenet'. Received: {images.shape[1]}. Use the stem "
            f"'cifar'."
        )
    filters = [scaled(n, width) for n in (64, 192, 384, 256, 256)]
    if cifar:
        x = conv_norm(images, filters[0], 5, name="conv1")
    else:
        x = conv_norm(images, filters[0], 11, 4, zeros=2, name="conv1")
    x = _pool(x, cifar, "pool1")
    x = conv_norm(x, filters[1], 5, name="conv2")
    x = _pool(x, cifar, "pool2")
    x = conv_norm(x, filters[2], 3, name="conv3")
    x = conv_norm(x, filters[3], 3, name="conv4")
    x = conv_norm(x, filters[4], 3, name="conv5")
    x = layers.Flatten(name="flatten")(_pool(x, cifar, "pool5"))
    x = _dense_norm(x, scaled(4096, width), "fc6")
    return _dense_norm(x, scaled(4096, width), "fc7")


def _pool(x: keras.KerasTensor, cifar: bool, name: str) -> keras.KerasTensor:
    padding = "same" if cifar else "valid"
    return layers.MaxPooling2D(3, 2, padding=padding, name=name)(x)


def _dense_norm(
    x: keras.KerasTensor, units: int, name: str
) -> keras.KerasTensor:
    x = layers.Dense(
        units,
        use_bias=False,
        kernel_initializer=INITIALISER,
        name=f"{name}_dense",
    )(x)
    x = layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, name=f"{name}_norm"
    )(x)
    return layers.ReLU(name=name)(x)
