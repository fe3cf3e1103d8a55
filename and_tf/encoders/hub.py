"""Makes trunks of the pretrained backbones of keras-hub.

keras-hub is not required by this project and is imported only here, when a
preset is asked for or a run with one is opened again.
"""

from __future__ import annotations

import copy
import difflib
import functools
import importlib
import types
from typing import Any

import keras

from and_tf.encoders.pixels import Pixels
from and_tf.encoders.trunk import from_model, pooled
from and_tf.utils.errors import InputError
from and_tf.utils.reasons import reason

PACKAGE = "keras_hub"
# Backbones whose first token stands for the whole image.
_WITH_CLASS_TOKEN = ("DINOV2Backbone", "DINOV3Backbone", "DeiTBackbone")


def import_package() -> types.ModuleType:
    """Imports keras-hub.

    Raises:
        InputError: If it is not installed, or does not work with the
            installed Keras.
    """
    try:
        return importlib.import_module(PACKAGE)
    except ImportError as error:
        raise InputError(
            f"Expected keras-hub for an encoder hub:PRESET. Received: {error}. "
            "Install it by: pip install keras-hub"
        ) from error


def trunk(
    preset: str, image_size: int | None = None, *, weights: bool = True
) -> keras.Model:
    """Makes a trunk of a preset of keras-hub.

    Args:
        preset: The name of a preset, such as "dinov2_small"; a handle such
            as "hf://USER/NAME"; or the directory of a preset.
        image_size: S, the side of the images in pixels. None takes the size of
            the preset's image converter. Vision transformers with fixed
            position embeddings take only that.
        weights: Whether to load the preset's weights instead of random ones.

    Returns:
        A trunk. Its features are the class token of a vision transformer that
        has one, else the averages over all positions.

    Raises:
        InputError: If keras-hub is not installed, the preset cannot be loaded
            or is none of images, or it does not take images of that size.
    """
    backbone, pixels, size = _loaded(preset, image_size, weights)
    return _made(backbone, pixels, size, f"hub:{preset}")


def describe(preset: str, image_size: int) -> dict[str, Any]:
    """Describes a preset's trunk in plain JSON, for `rebuild`.

    Args:
        preset: The preset, as `trunk` got it.
        image_size: S, the side of the trunk's images in pixels.
    """
    backbone, pixels, _ = _loaded(preset, image_size, weights=False)
    return {
        "preset": preset,
        "backbone": keras.saving.serialize_keras_object(backbone),
        "scale": list(pixels.scale),
        "offset": list(pixels.offset),
        "image_size": image_size,
    }


def rebuild(description: dict[str, Any]) -> keras.Model:
    """Builds a trunk with random weights, without its preset.

    Args:
        description: What `describe` returned.

    Raises:
        InputError: If keras-hub is not installed, or cannot build it.
    """
    import_package()  # It registers its classes.
    source = f"hub:{description['preset']}"
    try:
        # Keras takes apart what it is given.
        backbone = keras.saving.deserialize_keras_object(
            copy.deepcopy(description["backbone"])
        )
    except Exception as error:  # Keras and keras-hub raise anything.
        raise InputError(
            f"Expected a keras-hub that builds {source} as the run had it. "
            f"Received: {reason(error, kind=True)}. Use the versions that the "
            "run was trained with."
        ) from error
    pixels = Pixels(
        _channels(description["scale"], 1), _channels(description["offset"], 0)
    )
    return _made(backbone, pixels, description["image_size"], source)


def _loaded(
    preset: str, image_size: int | None, weights: bool
) -> tuple[keras.Model, Pixels, int]:
    """Loads the backbone, what it expects of pixel values, and S or 0."""
    package = import_package()
    try:
        converter = package.layers.ImageConverter.from_preset(preset)
    except Exception as error:  # Of the network, the disk or keras-hub.
        raise _not_loaded(package, preset, error) from error
    size = image_size or min(converter.image_size or (0,))
    pixels = Pixels(
        _channels(converter.scale, 1), _channels(converter.offset, 0)
    )
    return _backbone(package, preset, size, weights), pixels, size


def _made(
    backbone: keras.Model, pixels: Pixels, size: int, source: str
) -> keras.Model:
    return from_model(
        backbone,
        source=source,
        pixels=pixels,
        image_size=size or None,
        pool=_class_token if _has_class_token(backbone) else _averaged,
    )


def _backbone(
    package: types.ModuleType, preset: str, size: int, weights: bool
) -> keras.Model:
    """Loads a backbone, for images of a size where that is fixed."""
    load = functools.partial(
        package.models.Backbone.from_preset,
        preset,
        dtype=keras.config.dtype_policy(),
    )
    try:
        backbone = load(load_weights=False)
        shape = getattr(backbone, "image_shape", None)
        own = shape[0] if shape else None
        if own in (None, size) or not size:
            return load() if weights else backbone
    except Exception as error:  # Of the network, the disk or keras-hub.
        raise _not_loaded(package, preset, error) from error
    try:
        return load(load_weights=weights, image_shape=(size, size, 3))
    except Exception as error:  # It has fixed position embeddings.
        raise InputError(
            f"Expected an image_size that hub:{preset} takes, such as its own "
            f"of {own}. Received: {size}: {reason(error, kind=True)}."
        ) from error


def _channels(value: Any, nothing: float) -> tuple[float, float, float]:
    """Returns a scale or an offset for each channel."""
    if value is None:
        value = nothing
    if isinstance(value, (int, float)):
        value = (value,) * 3
    red, green, blue = map(float, value)
    return red, green, blue


def _has_class_token(backbone: keras.Model) -> bool:
    names = {each.__name__ for each in type(backbone).__mro__}
    return bool(
        names.intersection(_WITH_CLASS_TOKEN)
        or getattr(backbone, "use_class_token", False)
    )


def _class_token(
    output: keras.KerasTensor, source: str, name: str
) -> keras.KerasTensor:
    """Takes the first of [B, T, F]."""
    return pooled(output[:, 0], source, name)


def _averaged(
    output: keras.KerasTensor, source: str, name: str
) -> keras.KerasTensor:
    """Averages [B, T, F] or [B, H, W, F] over positions."""
    if len(output.shape) == 3:
        return keras.layers.GlobalAveragePooling1D(name=name)(output)
    return pooled(output, source, name)


def _not_loaded(
    package: types.ModuleType, preset: str, error: Exception
) -> InputError:
    known = list(package.models.Backbone.presets)
    near = difflib.get_close_matches(preset, known, 1)
    hint = f" Did you mean {near[0]}?" if near and near != [preset] else ""
    return InputError(
        f"Expected a preset of images that keras-hub can load. Received: "
        f"hub:{preset}: {reason(error, kind=True)}.{hint} Without a network, "
        "save it on another machine, by keras_hub.models.Backbone.from_preset"
        "(…).save_to_preset(DIRECTORY) and the same of keras_hub.layers."
        "ImageConverter, then give hub:DIRECTORY."
    )
