"""Makes trunks of the networks in keras.applications.

Each network gets the pixel values that it was trained with: what the family's
`preprocess_input` computes, or the layers that some networks have for it, are
replaced by one float32 layer that does the same.
"""

from __future__ import annotations

import difflib
import inspect
import os
import re
import warnings
from typing import Any

import keras
from keras import applications, layers

from and_tf.encoders.pixels import CONVENTIONS, Pixels
from and_tf.encoders.trunk import from_model
from and_tf.utils.errors import InputError
from and_tf.utils.reasons import reason

# What each module's networks expect of pixel values.
_PIXELS = {
    "convnext": "imagenet",
    "densenet": "imagenet",
    "efficientnet": "imagenet",
    "efficientnet_v2": "imagenet",
    "inception_resnet_v2": "-1..1",
    "inception_v3": "-1..1",
    "mobilenet": "-1..1",
    "mobilenet_v2": "-1..1",
    "mobilenet_v3": "-1..1",
    "nasnet": "-1..1",
    "resnet": "caffe",
    "resnet_v2": "-1..1",
    "vgg16": "caffe",
    "vgg19": "caffe",
    "xception": "-1..1",
}
# These differ from the rest of their module.
_EFFICIENTNET_V2_SML = Pixels((1 / 128,) * 3, (-1.0,) * 3)
_USUAL_SIZE = 224
_SIZES = {
    "EfficientNetB1": 240,
    "EfficientNetB2": 260,
    "EfficientNetB3": 300,
    "EfficientNetB4": 380,
    "EfficientNetB5": 456,
    "EfficientNetB6": 528,
    "EfficientNetB7": 600,
    "EfficientNetV2B1": 240,
    "EfficientNetV2B2": 260,
    "EfficientNetV2B3": 300,
    "EfficientNetV2L": 480,
    "EfficientNetV2M": 480,
    "EfficientNetV2S": 384,
    "InceptionResNetV2": 299,
    "InceptionV3": 299,
    "NASNetLarge": 331,
    "Xception": 299,
}
# Keras keeps these under other names than they are downloaded by.
_KEPT_AS = {
    "NASNet-large-no-top.h5": "nasnet_large_no_top.h5",
    "NASNet-mobile-no-top.h5": "nasnet_mobile_no_top.h5",
}
WEIGHTS = (None, "imagenet")


def _module(name: str) -> str:
    """Returns the module of a network, such as "resnet"."""
    return getattr(applications, name).__module__.rpartition(".")[2]


NAMES = tuple(
    name
    for name, value in sorted(vars(applications).items())
    if inspect.isfunction(value) and _module(name) in _PIXELS
)


def exact_name(name: str) -> str:
    """Returns Keras' spelling of a network's name.

    Args:
        name: The name in capital or small letters.

    Raises:
        InputError: If keras.applications has no such network.
    """
    spelt = {each.lower(): each for each in NAMES}
    if name.lower() in spelt:
        return spelt[name.lower()]
    near = difflib.get_close_matches(name.lower(), spelt, 1)
    hint = f" Did you mean {spelt[near[0]]}?" if near else ""
    raise InputError(
        f"Expected a network of keras.applications: {', '.join(NAMES)}. "
        f"Received: {name!r}.{hint}"
    )


def default_size(name: str) -> int:
    """Returns the side in pixels of the images that a network is made for."""
    return _SIZES.get(exact_name(name), _USUAL_SIZE)


def pixels_of(name: str) -> Pixels:
    """Returns what a network expects of pixel values."""
    name = exact_name(name)
    if re.fullmatch("EfficientNetV2[SML]", name):
        return _EFFICIENTNET_V2_SML
    return CONVENTIONS[_PIXELS[_module(name)]]


def trunk(
    name: str, image_size: int | None = None, weights: str | None = None
) -> keras.Model:
    """Makes a trunk of a network in keras.applications.

    Args:
        name: The name of the network, such as "EfficientNetV2B0".
        image_size: S, the side of the images in pixels. None takes the size
            that the network is made for.
        weights: None for random weights, or "imagenet" for those that Keras
            downloads.

    Returns:
        A trunk, named as Keras names the network; its features are the
        averages over all positions. It does not depend on `weights` which
        layers it has.

    Raises:
        InputError: If there is no such network, the images are too small for
            it, or its weights can be neither found nor downloaded.
    """
    name = exact_name(name)
    if weights not in WEIGHTS:
        raise InputError(
            f"Expected the weights None or 'imagenet' for applications:{name}. "
            f"Received: {weights!r}."
        )
    size = image_size or default_size(name)
    return from_model(
        _built(name, size, weights),
        source=f"applications:{name}",
        pixels=pixels_of(name),
        # EfficientNet's own scaling cannot be left out otherwise, and has
        # other layers without ImageNet's weights than with them.
        skip=(layers.Rescaling, layers.Normalization),
    )


def _built(name: str, size: int, weights: str | None) -> keras.Model:
    """Builds a network without its classifier."""
    build = getattr(applications, name)
    others: dict[str, Any] = {}
    if "include_preprocessing" in inspect.signature(build).parameters:
        others["include_preprocessing"] = False
    try:
        with warnings.catch_warnings():
            # MobileNet's weights are the same for images of any size.
            warnings.filterwarnings("ignore", "`input_shape` is undefined")
            return build(
                include_top=False,
                weights=weights,
                input_shape=(size, size, 3),
                pooling="avg",
                **others,
            )
    except Exception as error:  # A failed download is a bare Exception.
        if "URL fetch failure" in str(error):
            raise _not_downloaded(name, error) from error
        raise _too_small(name, size, error) from error


def _not_downloaded(name: str, error: Exception) -> InputError:
    url = re.search(r"https?://\S+[^\s:]", str(error))
    file = url[0].rpartition("/")[2] if url else "its file"
    home = os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
    place = os.path.join(home, "models", _KEPT_AS.get(file, file))
    return InputError(
        f"Expected ImageNet's weights of {name} in {place}, or a network to "
        f"download them from. Received: {error}. Download "
        f"{url[0] if url else 'the file'} on another machine, and put it at "
        f"{place}."
    )


def _too_small(name: str, size: int, error: Exception) -> InputError:
    least = re.search(r"at least (\d+)x", str(error))
    if least:
        return InputError(
            f"Expected an image_size of {least[1]} or more for "
            f"applications:{name}. Received: {size}."
        )
    return InputError(
        f"Expected a network that Keras builds for images of {size}×{size} "
        f"pixels. Received: applications:{name}: {reason(error)}. Its own "
        f"size is {default_size(name)}."
    )
