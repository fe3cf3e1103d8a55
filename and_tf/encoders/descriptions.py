"""Describes trunks in plain JSON, and builds them again from it.

A checkpoint keeps the weights of a trunk and its description. Networks of
keras.applications, keras-hub and `.keras` files are built again without their
file and without a network. A function is called again, and so is a file loaded
whose subclassed model does not say in its config how it is built. A SavedModel
is loaded from its copy; see `saved_models.keep`.
"""

from __future__ import annotations

import copy
import json
import os
import pathlib
from typing import Any

import keras

from and_tf.encoders import applications, files, functions, hub, pixels
from and_tf.utils.encoder_names import EncoderName
from and_tf.utils.errors import InputError
from and_tf.utils.reasons import reason

Description = dict[str, Any]


def open_trunk(
    name: EncoderName,
    *,
    image_size: int | None = None,
    weights: str | None = None,
    expects: str = pixels.RAW,
) -> tuple[keras.Model, str]:
    """Makes the trunk that a name means, if it is not one of our own.

    Args:
        name: The name, of any kind but "own".
        image_size: S, the side of the images in pixels. None takes that which
            the network is made for.
        weights: None or "imagenet", for keras.applications alone: all others
            bring their weights.
        expects: What a file's or a function's model expects of pixel values,
            one of `pixels.NAMES`.

    Returns:
        The trunk, and a note for the user, "" if there is nothing to say.

    Raises:
        InputError: If there is no such network, or no trunk can be made of it.
    """
    if name.kind == "applications":
        return applications.trunk(name.value, image_size, weights), ""
    if name.kind == "hub":
        return hub.trunk(name.value, image_size), ""
    if name.kind == "function":
        made = functions.trunk(
            name.value, expects=expects, image_size=image_size
        )
        return made, ""
    return files.trunk(
        name.value, layer=name.layer, expects=expects, image_size=image_size
    )


def describe(
    name: EncoderName,
    trunk: keras.Model,
    *,
    expects: str = pixels.RAW,
    kept: str = "",
) -> Description:
    """Describes a trunk for `rebuild`.

    Args:
        name: The name that it was opened by.
        trunk: What `open_trunk` returned.
        expects: What was given to `open_trunk`.
        kept: Of a SavedModel, the name of its copy in the run directory. ""
            describes it by its own path.

    Returns:
        Plain JSON, with the key "kind".
    """
    size = trunk.input_shape[1]
    if name.kind == "applications":
        return {
            "kind": "applications",
            "name": applications.exact_name(name.value),
            "image_size": size,
            "keras": keras.__version__,
        }
    if name.kind == "hub":
        return {"kind": "hub", **hub.describe(name.value, size)}
    value = name.value
    if name.kind == "path":
        config = config_of(trunk)
        if config is not None:
            return {"kind": "layers", "config": config}
        value = kept or os.path.abspath(value)
    return {
        "kind": name.kind,
        "value": value,
        "layer": name.layer,
        "image_size": size,
        "expects": expects,
    }


def rebuild(
    description: Description, run_directory: pathlib.Path | None = None
) -> keras.Model:
    """Builds a trunk again, with the same variables in the same order.

    Args:
        description: What `describe` returned.
        run_directory: Where relative paths begin.

    Returns:
        The trunk. Its weights are not those of the run: assign them.

    Raises:
        InputError: If the description's file, module or package is missing.
    """
    kind = description["kind"]
    if kind == "applications":
        return applications.trunk(
            description["name"], description["image_size"]
        )
    if kind == "hub":
        return hub.rebuild(description)
    if kind == "layers":
        return _from_config(description["config"])
    value = description["value"]
    if kind == "path" and run_directory is not None:
        value = str(run_directory / value)  # An absolute path stays.
    return open_trunk(
        EncoderName(kind, value, description["layer"]),
        image_size=description["image_size"],
        expects=description["expects"],
    )[0]


def config_of(trunk: keras.Model) -> Description | None:
    """Serialises a trunk; None if it cannot be built again from that."""
    try:
        text = json.dumps(keras.saving.serialize_keras_object(trunk))
        # Keras takes apart what it is given.
        again = keras.saving.deserialize_keras_object(json.loads(text))
    except Exception:  # A user's `get_config` may raise anything.
        return None
    shapes = [[w.shape for w in each.weights] for each in (trunk, again)]
    return json.loads(text) if shapes[0] == shapes[1] else None


def _from_config(config: Description) -> keras.Model:
    try:
        # Keras takes apart what it is given.
        return keras.saving.deserialize_keras_object(copy.deepcopy(config))
    except Exception as error:  # Keras raises what it finds.
        raise InputError(
            "Expected an encoder of layers that Keras "
            f"{keras.__version__} builds. Received: "
            f"{reason(error, kind=True)}. Use the versions that the run "
            "was trained with."
        ) from error
