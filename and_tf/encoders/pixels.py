"""Turns pixel values 0..255 into those that a network was trained with.

Networks from elsewhere differ in what they expect. Here each convention is a
scale and an offset for each channel, and for caffe's a reversed order of the
channels, built as Keras' own layers in float32.
"""

from __future__ import annotations

import dataclasses

import keras
from keras import layers

from and_tf.data.preprocessing import IMAGENET
from and_tf.utils.errors import InputError

Channels = tuple[float, float, float]


@dataclasses.dataclass(frozen=True)
class Pixels:
    """A convention for pixel values.

    Attributes:
        scale: The factor of each channel, red first.
        offset: What is added to each channel then.
        is_bgr: Whether blue comes first afterwards.
    """

    scale: Channels = (1.0, 1.0, 1.0)
    offset: Channels = (0.0, 0.0, 0.0)
    is_bgr: bool = False


def _standardised(mean: Channels, std: Channels) -> Pixels:
    return Pixels(
        tuple(1 / (255 * deviation) for deviation in std),  # type: ignore[arg-type]
        tuple(-m / s for m, s in zip(mean, std, strict=True)),  # type: ignore[arg-type]
    )


RAW = "0..255"
CONVENTIONS = {
    RAW: Pixels(),
    "0..1": Pixels((1 / 255,) * 3),
    "-1..1": Pixels((1 / 127.5,) * 3, (-1.0,) * 3),
    "imagenet": _standardised(*IMAGENET),
    # The means of ImageNet in caffe's models.
    "caffe": Pixels(offset=(-123.68, -116.779, -103.939), is_bgr=True),
}
NAMES = tuple(CONVENTIONS)


def convention(name: str) -> Pixels:
    """Returns the convention of a name.

    Args:
        name: One of `NAMES`: "0..255", "0..1", "-1..1", "imagenet" for torch's
            mean and standard deviation, or "caffe".

    Raises:
        InputError: If there is no such convention.
    """
    if name not in CONVENTIONS:
        raise InputError(
            f"Expected pixels among {', '.join(NAMES)}. Received: {name!r}."
        )
    return CONVENTIONS[name]


def normalise(
    images: keras.KerasTensor, pixels: Pixels, name: str = "normalise"
) -> keras.KerasTensor:
    """Applies a convention to pixel values 0..255.

    Args:
        images: symbolic [B, H, W, 3], red first.
        pixels: The convention.
        name: The name of the layer.

    Returns:
        float32 [B, H, W, 3]; `images` itself if nothing changes.
    """
    x = images
    if pixels != Pixels(is_bgr=pixels.is_bgr):
        x = layers.Rescaling(
            list(pixels.scale), list(pixels.offset), dtype="float32", name=name
        )(x)
    return x[..., ::-1] if pixels.is_bgr else x


def own_scaling(model: keras.Model) -> str:
    """Finds out whether a network scales pixel values itself.

    Args:
        model: A functional model without models inside.

    Returns:
        The name of the layer before all weights that does it: Keras'
        `Rescaling` or `Normalization`. "" if there is none.
    """
    for layer in model.layers:
        if isinstance(layer, (layers.Rescaling, layers.Normalization)):
            return layer.name
        if layer.weights:
            break
    return ""
