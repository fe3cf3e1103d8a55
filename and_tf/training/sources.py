"""Finds the encoder that a new run begins with, or its teacher, and weights."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from and_tf import encoders
from and_tf.data.preprocessing import normalisation
from and_tf.encoders import (
    descriptions,
    efficientnet_lite,
    heads,
    saved_models,
    torch_file,
    weights,
)
from and_tf.training.config import TrainConfig, has_weights
from and_tf.training.run_directory import RunDirectory
from and_tf.utils import encoder_names
from and_tf.utils.encoder_names import EncoderName
from and_tf.utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class Start:
    """An encoder to begin with.

    Attributes:
        name: The name under which `encoders.build` builds it.
        arguments: Further arguments of `encoders.build`, JSON values.
        image_size: The side of the images that it was trained on, in pixels;
            0 if it has random weights, or takes images of any size.
        pretrained: Where its weights come from and which labels they have
            seen, as JSON values; None for random weights.
        load: Assigns the weights to an encoder that was built from the
            description; None for random weights.
        note: What a user should know of it, as a sentence; "" for nothing.
    """

    name: str
    arguments: dict[str, Any]
    image_size: int = 0
    pretrained: dict[str, Any] | None = None
    load: Callable[[keras.Model], None] | None = None
    note: str = ""

    def describe(self, config: TrainConfig, image_size: int) -> dict[str, Any]:
        """Returns the arguments with which `encoders.build` builds it.

        Args:
            config: The flags of the run.
            image_size: The side of the encoder's input, in pixels.
        """
        head = config.resolved.head
        if head == "whitened":  # It is a linear one with other weights.
            head = "linear"
        arguments = {
            "name": self.name,
            "image_size": image_size,
            "embedding_dim": config.embedding_dim,
            **self.arguments,
        }
        if head != "linear":
            arguments["head"] = head
        if head == "none":
            length = encoders.num_features(**arguments)
            if config.embedding_dim not in (TrainConfig.embedding_dim, length):
                raise InputError(
                    "Expected no --embedding_dim with --head=none, whose "
                    f"embeddings are the {length} features of the encoder. "
                    f"Received: {config.embedding_dim}."
                )
            arguments["embedding_dim"] = length
        return arguments


@dataclasses.dataclass(frozen=True)
class Wanted:
    """The flags that describe an encoder or a teacher.

    Attributes:
        encoder, weights, pixels, image_size, width, features: The values of
            the flags.
        dataset: The data set, whose mean and deviation normalise pixels.
        channels: The number of channels of the images.
        keeper: The run directory that keeps a copy of a SavedModel; None keeps
            none.
    """

    encoder: str
    weights: str = ""
    pixels: str = "0..255"
    image_size: int = 0
    width: float = 1.0
    dataset: str = ""
    keeper: pathlib.Path | None = None
    channels: int = 3
    features: int = 0

    @property
    def trained(self) -> bool:
        """Returns whether it has trained weights."""
        return has_weights(self.encoder, self.weights)


def find(config: TrainConfig) -> Start:
    """Finds the encoder that `config` names, and the weights to begin with.

    Raises:
        InputError: If there is no such encoder, or its weights are missing.
    """
    config = config.resolved
    return find_wanted(
        Wanted(
            config.encoder,
            config.weights,
            config.pixels,
            config.image_size,
            config.width,
            config.dataset,
            config.run_directory,
            config.channels,
            config.features,
        )
    )


def find_teacher(config: TrainConfig) -> Start:
    """Finds the teacher that `config` names, and its weights.

    Nothing of it is kept in the run directory, as its embeddings are.

    Raises:
        InputError: If there is no such encoder, or its weights are missing.
    """
    config = config.resolved
    with flags_of_teacher():
        return find_wanted(
            Wanted(
                config.teacher,
                config.teacher_weights,
                config.teacher_pixels,
                config.teacher_image_size,
                dataset=config.dataset,
                channels=config.channels,
            )
        )


@contextlib.contextmanager
def flags_of_teacher() -> Iterator[None]:
    """Names the teacher's flags in errors of a block that tell of others.

    What finds and builds encoders knows no teachers.
    """
    try:
        yield
    except InputError as error:
        told = str(error).replace("--encoder", "--teacher")
        for flag in ("weights", "pixels", "image_size"):
            told = told.replace(f"--{flag}", f"--teacher_{flag}")
        raise InputError(told) from error


def find_wanted(wanted: Wanted) -> Start:
    """Finds an encoder and its weights.

    Raises:
        InputError: If there is no such encoder, or its weights are missing.
    """
    name = encoder_names.parse(wanted.encoder)
    if name.kind == "own":
        return _own(wanted)
    if name.kind == "path" and is_run(name.value):
        return _of_run(wanted, name)
    if wanted.channels != 3:
        raise _other_channels(wanted, 3)
    return _elsewhere(wanted, name)


def _other_channels(wanted: Wanted, channels: int) -> InputError:
    return InputError(
        f"Expected an encoder of {wanted.channels} channels, as --channels "
        f"says. Received: --encoder={wanted.encoder}, of {channels}. Use one "
        "that is built here, such as resnet18, or an earlier run of these "
        f"channels, or --channels={channels}."
    )


def open_trunk(start: Start, image_size: int) -> keras.Model:
    """Builds an encoder without its head, in float32, with trained weights.

    Args:
        start: The encoder, with trained weights.
        image_size: The side of the images that it will see, in pixels.

    Returns:
        A model from pixel values 0..255, [B, S, S, C], to features [B, F].
    """
    assert start.load is not None  # As the caller refuses random weights.
    with full_precision():
        encoder = encoders.build(
            name=start.name, image_size=image_size, **start.arguments
        )
        start.load(encoder)
        return encoders.for_views(heads.split(encoder)[0], image_size)


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Makes networks that compute in float32 in a block.

    What passes the images once has errors that would stay in all rows.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def is_run(path: str) -> bool:
    """Returns whether a path is the directory of a run."""
    return RunDirectory(pathlib.Path(path)).flagfile.is_file()


def _own(wanted: Wanted) -> Start:
    """Finds one of the networks that `encoders.build` makes."""
    name = wanted.encoder
    arguments: dict[str, Any] = {"width": wanted.width}
    if wanted.channels != 3:
        arguments["channels"] = wanted.channels
    if wanted.features:
        arguments["features"] = wanted.features
    if name not in efficientnet_lite.SIZES:
        mean, std = normalisation(wanted.dataset, wanted.channels)
        arguments |= {"mean": mean, "std": std}
    if not wanted.trained:
        return Start(name, arguments)
    file = weights.find(name, wanted.weights)
    sides = {n: size.image_size for n, size in efficientnet_lite.SIZES.items()}
    return Start(
        name,
        arguments,
        sides.get(name, 0),
        dataclasses.asdict(weights.provenance(wanted.weights, file)),
        functools.partial(_load_file, name, file),
        note=_adapted(wanted.channels, file),
    )


def _load_file(name: str, file: pathlib.Path, encoder: keras.Model) -> None:
    trunk, _ = heads.split(encoder)
    channels = encoder.input_shape[-1]
    if channels == 3 or not _of_colours(file):
        weights.load(trunk, name, file)
        return
    size = encoder.input_shape[1]
    with full_precision():
        coloured, _ = heads.split(encoders.build(name, size))
    weights.load(coloured, name, file)
    trunk.set_weights(
        weights.for_channels(coloured.get_weights(), trunk.get_weights())
    )


def _of_colours(file: pathlib.Path) -> bool:
    """Returns whether weights are of a kind that is for RGB alone."""
    return file.suffix in torch_file.SUFFIXES


def _adapted(channels: int, file: pathlib.Path) -> str:
    """Says what becomes of weights for RGB; "" if nothing does."""
    if channels == 3 or not _of_colours(file):
        return ""
    if channels == 1:
        return (
            "weights of RGB: a grey image gives the features that it has as RGB"
        )
    return (
        "weights of RGB: the first layer repeats those of red, green and blue "
        f"over {channels} channels, as a beginning"
    )


def _elsewhere(wanted: Wanted, name: EncoderName) -> Start:
    """Finds a network of a package, a file or a function."""
    is_architecture = name.kind == "applications"
    if not is_architecture and wanted.weights not in ("", "none"):
        raise InputError(
            f"Expected no --weights with --encoder={name}, which brings its "
            f"own. Received: {wanted.weights}."
        )
    imagenet = wanted.weights == weights.IMAGENET
    trunk, note = descriptions.open_trunk(
        name,
        image_size=wanted.image_size or None,
        weights=weights.IMAGENET if imagenet else None,
        expects=wanted.pixels,
    )
    kept, path = "", pathlib.Path(name.value)
    if wanted.keeper and name.kind == "path" and path.is_dir():
        kept = saved_models.keep(path, wanted.keeper)
    described = descriptions.describe(
        name, trunk, expects=wanted.pixels, kept=kept
    )
    start = Start(
        str(name), {"trunk": described}, trunk.input_shape[1], note=note
    )
    if not wanted.trained:
        return start
    if is_architecture and not imagenet:
        file = weights.find(str(name), wanted.weights)
        told = weights.provenance(wanted.weights, file)
        load = functools.partial(_load_file, str(name), file)
    else:
        told = _told(name, imagenet)
        load = functools.partial(_copy, trunk)
    return dataclasses.replace(
        start, pretrained=dataclasses.asdict(told), load=load
    )


def _told(name: EncoderName, imagenet: bool) -> weights.Provenance:
    """Says what is known of weights that come with their network."""
    if imagenet:
        return weights.Provenance(
            weights.IMAGENET, None, None, weights.IMAGENET_LABELS
        )
    file = pathlib.Path(name.value)
    if name.kind == "path" and file.is_file():
        return weights.provenance(str(name), file)
    return weights.Provenance(str(name), None, None, "unknown")


def _copy(trunk: keras.Model, encoder: keras.Model) -> None:
    """Gives an encoder's trunk the weights of another trunk of its kind."""
    own, _ = heads.split(encoder)
    shapes = [[tuple(w.shape) for w in each.weights] for each in (own, trunk)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"Expected an encoder whose weights fit {own.name} for images of "
            f"{own.input_shape[1]} pixels. Received one for images of "
            f"{trunk.input_shape[1]}, whose weights have other shapes. Leave "
            "--image_size out."
        )
    for variable in trunk.weights:
        if not np.isfinite(np.asarray(variable, np.float64)).all():
            raise InputError(
                f"Expected finite weights in the trained encoder {own.name}. "
                f"Received NaN or infinite ones in {variable.path}."
            )
    own.set_weights(trunk.get_weights())


def _of_run(wanted: Wanted, name: EncoderName) -> Start:
    """Finds the encoder of an earlier run, whose head is left behind."""
    directory = RunDirectory(pathlib.Path(name.value))
    before = directory.config()
    checkpoint = directory.checkpoints.latest()
    if checkpoint is None:
        raise InputError(
            f"Expected a checkpoint of the run in {directory.path}, to take "
            "its encoder. Received none: the run has not finished an epoch, "
            "or its checkpoints are damaged."
        )
    if wanted.weights not in ("", "none"):
        raise InputError(
            f"Expected no --weights with --encoder={name}, a run that brings "
            f"its own. Received: {wanted.weights}."
        )
    if wanted.pixels not in ("", "0..255"):
        raise InputError(
            f"Expected no --pixels with --encoder={name}, a run whose encoder "
            f"takes 0..255. Received: {wanted.pixels}."
        )
    built = located(checkpoint.metadata["encoder"], directory)
    channels = built.get("channels", 3)
    if channels != wanted.channels:
        raise _other_channels(wanted, channels)

    def load(encoder: keras.Model) -> None:
        whole = encoders.build(**built)
        checkpoint.restore("encoder", whole.variables)
        _copy(heads.split(whole)[0], encoder)

    start = Start(
        built["name"],
        _taken_over(wanted, built),
        built["image_size"],
        {
            "source": str(name),
            "file": checkpoint.path.name,
            "sha256": None,
            "labels": _labels(before, checkpoint.metadata),
        },
        load,
    )
    if wanted.trained:
        return start
    return dataclasses.replace(start, pretrained=None, load=None)


def _taken_over(wanted: Wanted, built: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments of an earlier run's trunk, for another run.

    Args:
        wanted: The flags of the new run, whose images may have another size.
        built: The arguments of the earlier run's encoder.
    """
    # The range of values is that of the new run's images.
    left_out = ("name", "image_size", "embedding_dim", "head", "pixel_range")
    kept = {key: built[key] for key in built if key not in left_out}
    trunk, size = kept.get("trunk"), wanted.image_size or built["image_size"]
    if not trunk:
        # "auto" would be another stem for images of another size.
        stem = encoders.stem_of(built["name"], built["image_size"])
        return {"stem": stem, **kept}
    if trunk["kind"] == "layers" and size != built["image_size"]:
        whole = encoders.for_views(descriptions.rebuild(trunk), size)
        config_of_layers = descriptions.config_of(whole)
        return {"trunk": {"kind": "layers", "config": config_of_layers}}
    if trunk["kind"] != "layers":
        trunk = {**trunk, "image_size": size}
    path = pathlib.Path(trunk.get("value", ""))
    if wanted.keeper and trunk["kind"] == "path" and path.is_dir():
        trunk["value"] = saved_models.keep(path, wanted.keeper)
    return {"trunk": trunk}


def _labels(config: TrainConfig, metadata: dict[str, Any]) -> str:
    """Says which labels the encoder of a run has seen."""
    before = metadata.get("pretrained") or {}
    seen = [before["labels"]] if before.get("labels", "none") != "none" else []
    if config.pretext == "supervised":
        seen.append(f"the labels of {config.dataset}")
    taught = (metadata.get("teacher") or {}).get("labels", "none")
    if taught != "none":
        seen.append(f"by its teacher, {taught}")
    return ", and ".join(seen) or "none"


def located(encoder: dict[str, Any], directory: RunDirectory) -> dict[str, Any]:
    """Returns the arguments of `encoders.build`, with paths that can be opened.

    The copy of a SavedModel lies in the run directory, which may be moved.

    Args:
        encoder: The entry "encoder" of the metadata of a checkpoint.
        directory: The directory of the run.
    """
    trunk = encoder.get("trunk")
    if not trunk or trunk["kind"] != "path":
        return encoder
    value = str(directory.path.absolute() / trunk["value"])
    return {**encoder, "trunk": {**trunk, "value": value}}
