"""Opens what embeds the images of an exploration: a run, or any encoder."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from and_tf.data.pixel_format import RGB, PixelFormat
from and_tf.distribution import strategy as strategies
from and_tf.distribution.predict import shared_embeddings
from and_tf.distribution.process_group import ProcessGroup
from and_tf.exploring.config import DEFAULT_ENCODER, ExploreConfig
from and_tf.finetuning.finetuned import Finetuned
from and_tf.scan.clustering import Clustering
from and_tf.training import sources
from and_tf.training.config import has_weights
from and_tf.training.run import Run
from and_tf.training.teacher_files import digest
from and_tf.utils import provenance
from and_tf.utils.errors import InputError
from export import exportable
from export.tensor_names import OUTPUT, PROBABILITIES


@dataclasses.dataclass(frozen=True, eq=False)
class ImageEncoder:
    """A network that embeds images.

    Attributes:
        encode: A function from uint8 [b, S, S, C] to float32 [b, M]: the
            features or embeddings, and behind them the probabilities of
            clusters or classes if it tells some.
        image_size: S, in pixels.
        dim: The length of the features or embeddings.
        whitens: Whether they are features of a network that has not learnt
            to compare images, which whitening helps.
        cluster_names: The name of each cluster whose probability it tells.
        class_names: The name of each class whose probability it tells. Of
            clusters and classes, one or both are empty.
        name: What it is, for people.
        labels: The labels that its weights have seen, for people.
        mark: A hash of all that embeddings depend on.
        form: The channels of the images, and what their values mean.
    """

    encode: Callable[[np.ndarray], np.ndarray]
    image_size: int
    dim: int
    whitens: bool
    cluster_names: tuple[str, ...]
    class_names: tuple[str, ...]
    name: str
    labels: str
    mark: str
    form: PixelFormat = RGB


def open_encoder(
    config: ExploreConfig, strategy: tf.distribute.Strategy | None = None
) -> ImageEncoder:
    """Opens the encoder that the flags name.

    Args:
        config: The flags.
        strategy: The strategy whose devices share each batch of images; None
            takes all GPUs of this process.

    Raises:
        InputError: If it is missing, damaged, or has random weights.
    """
    strategy = strategy or strategies.of_this_process()
    with strategy.scope():
        return _of_run(config) if config.run_dir else _of_flags(config)


def _of_flags(config: ExploreConfig) -> ImageEncoder:
    """Opens the encoder that --encoder and --weights name."""
    name = config.encoder or DEFAULT_ENCODER
    weights = config.weights
    if not config.encoder:
        weights = weights or "imagenet"
    if not has_weights(name, weights):
        raise InputError(
            f"Expected --weights with --encoder={name}, since random ones tell "
            f"little of an image. Received: {weights or 'none'}. Give "
            "--weights=imagenet, or the path of a file."
        )
    start = sources.find_wanted(
        sources.Wanted(
            name,
            weights,
            config.pixels or "0..255",
            config.image_size,
        )
    )
    size = config.image_size or start.image_size
    if not size:
        raise InputError(
            f"Expected --image_size with --encoder={name}, which takes images "
            "of any size. Received none. Give it, such as --image_size=224."
        )
    if start.note:
        print(start.note)
    trunk = sources.open_trunk(start, size)
    origin = start.pretrained
    assert origin is not None  # As it has weights.
    return ImageEncoder(
        _function(trunk),
        size,
        trunk.output_shape[-1],
        True,
        (),
        (),
        f"{name} at {size} pixels with weights {provenance.describe(origin)}",
        provenance.labels(origin),
        _mark(size, trunk),
    )


def _of_run(config: ExploreConfig) -> ImageEncoder:
    """Opens the encoder of a run, a clustering or a fine-tuning."""
    found = exportable.load(pathlib.Path(config.run_dir), config.checkpoint)
    model = exportable.outputs_of(found)
    return ImageEncoder(
        _function(model),
        found.image_size,
        exportable.lengths(found)[OUTPUT],
        False,
        found.cluster_names if isinstance(found, Clustering) else (),
        found.class_names if isinstance(found, Finetuned) else (),
        f"{config.run_dir} at {found.image_size} pixels",
        _labels_seen(found),
        _mark(found.image_size, model, found.form),
        found.form,
    )


def _labels_seen(found: exportable.Exportable) -> str:
    """Says which labels the weights have seen, before the run or in it."""
    if isinstance(found, Finetuned):
        used, source = found.result["labels"], found.result["run"]
        told = f"{used['used']:,} labels of {used['from']}"
        before = source.get("labels_seen", "none")
        return told if before == "none" else f"{before}; {told}"
    if isinstance(found, Run):
        begun = {"pretrained": found.pretrained, "teacher": found.teacher}
        helped = found.config.pretext == "supervised"
        dataset = found.config.dataset
    else:
        begun, dataset = found.result, found.result["dataset"]
        trained = found.result["pretext"].get("pretext")
        helped = found.config.uses_labels or trained == "supervised"
    seen = [provenance.labels(origin) for origin in provenance.origins(begun)]
    return "; ".join([*seen, f"those of {dataset}"] if helped else seen) or (
        "no labels"
    )


def _function(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Runs a model on all devices; outputs by name come side by side."""
    if isinstance(model.output, dict):
        both = [model.output[OUTPUT], model.output[PROBABILITIES]]
        joined = keras.layers.Concatenate(dtype="float32")(both)
        model = keras.Model(model.input, joined)
    processes = ProcessGroup(model.distribute_strategy)

    def encode(images: np.ndarray) -> np.ndarray:
        batch = images, np.arange(len(images))
        return shared_embeddings(model, [batch], processes)[0]

    return encode


def _mark(size: int, model: keras.Model, form: PixelFormat = RGB) -> str:
    ends = [np.array(end) for end in (form.low, form.high) if end]
    return digest(np.array(size), *ends, *map(np.asarray, model.weights))
