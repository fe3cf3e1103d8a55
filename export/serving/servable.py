"""Makes TensorFlow functions of an encoder, which need no code of this project.

A signature is an input (pixels, or encoded files), followed by a network and a
head of `signatures`. A SavedModel of it stores the networks' weights and, if a
head compares with training images, the gallery, each of them once.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable

import keras
import tensorflow as tf

from and_tf.data.pixel_format import PixelFormat
from and_tf.data.preprocessing import centre_square
from and_tf.finetuning.finetuned import Finetuned
from and_tf.scan.clustering import Clustering
from and_tf.utils.errors import InputError
from export import file_values
from export.embeddings.gallery import Gallery
from export.exportable import Exportable
from export.serving.decoding import decode_batch
from export.serving.signatures import (
    Classes,
    Clusters,
    Embedding,
    Labels,
    NameTable,
    Neighbours,
)

IMAGE_BYTES = tf.TensorSpec([None], tf.string, "image_bytes")


@dataclasses.dataclass(frozen=True)
class Options:
    """The signatures that are served beside the embedding.

    Attributes:
        neighbours: The number of neighbours k in the signature `neighbours`;
            0 leaves the signature out.
        classify: Whether to add the signature `classify` by kNN. A clustering
            and a fine-tuning always have `classify`, which gives the clusters
            of the one and the classes of the other.
        knn_neighbours: The number of neighbours K that vote on a class.
        knn_temperature: The temperature τ of the votes.
    """

    neighbours: int = 0
    classify: bool = False
    knn_neighbours: int = 200
    knn_temperature: float = 0.1

    @property
    def need_gallery(self) -> bool:
        """True if a signature compares with training images."""
        return self.neighbours > 0 or self.classify


class Servable(tf.Module):
    """A trained encoder with its heads.

    Args:
        run: The run, clustering or fine-tuning that the encoder belongs to.
        options: The signatures beside the embedding, and their parameters.
        gallery: The images that heads compare with; None if
            `options.need_gallery` is False.
        assets: An empty directory for the files with names, which the
            SavedModel will include.

    Attributes:
        functions: The functions by signature; each takes one tensor and
            returns named tensors.

    Raises:
        InputError: If the gallery has fewer images than `options.neighbours`,
            or `options.classify` is set and the gallery has no labels.
    """

    def __init__(
        self,
        run: Exportable,
        options: Options,
        gallery: Gallery | None,
        assets: pathlib.Path,
    ) -> None:
        super().__init__()
        heads: dict[str, tf.Module] = {"serving": Embedding()}
        if gallery is not None:
            heads |= _compare(options, gallery, assets)
        networks = dict.fromkeys(heads, run.encoder)
        if isinstance(run, Clustering):
            names = NameTable(assets / "cluster_names.txt", run.cluster_names)
            heads["classify"] = Clusters(names)
            networks["classify"] = run.classifier
        elif isinstance(run, Finetuned):
            names = NameTable(assets / "class_names.txt", run.class_names)
            heads["classify"] = Labels(names)
            networks["classify"] = run.classifier
        # The bare variables are tracked, because a tracked Keras model would
        # store its weights twice, with much that serving does not need.
        variables = [v for n in networks.values() for v in n.variables]
        self._weights = [
            v.value for v in {id(v): v for v in variables}.values()
        ]
        # An attribute, so that the SavedModel stores the heads' variables.
        self._heads = list(heads.values())

        functions = {}
        for name, head in heads.items():
            plain = "serving_default" if name == "serving" else name
            network = _of_any_count(networks[name])
            size = run.image_size
            functions[plain] = _of_images(network, head, size, run.form)
            if takes_files(run.form):
                functions[f"{name}_bytes"] = _of_bytes(
                    network, head, size, run.form.channels
                )
        self.functions = functions


def takes_files(form: PixelFormat) -> bool:
    """Returns whether a graph can decode the files of such images.

    TensorFlow decodes no TIFF, and what it decodes here has no opacity.
    """
    return form.channels in (1, 3) and not form.ranged


def _of_any_count(
    network: keras.Model,
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Wraps a network of images [B, S, S, C] so that B may be 0."""

    def apply(images: tf.Tensor) -> tf.Tensor:
        # A convolution without images fails in oneDNN, so it gets one.
        count = tf.shape(images)[0]
        missing = tf.cast(count == 0, tf.int32)
        padded = tf.pad(images, [[0, missing], [0, 0], [0, 0], [0, 0]])
        padded = tf.ensure_shape(padded, images.shape)
        return network(padded, training=False)[:count]

    return apply


def _compare(
    options: Options, gallery: Gallery, assets: pathlib.Path
) -> dict[str, tf.Module]:
    """Makes the heads that compare with a gallery; they share its rows."""
    rows = tf.Variable(gallery.rows, trainable=False, name="gallery")
    heads = {}
    if options.neighbours:
        if options.neighbours > len(gallery.rows):
            raise InputError(
                f"Expected --neighbours of at most {len(gallery.rows):,}, for "
                "there are no more training images. Received: "
                f"{options.neighbours:,}."
            )
        names = gallery.file_names
        table = NameTable(assets / "file_names.txt", names) if names else None
        heads["neighbours"] = Neighbours(rows, options.neighbours, table)
    if options.classify:
        if gallery.labels is None:
            raise InputError("Expected labels for --classify. Received none.")
        count = int(gallery.labels.max()) + 1
        names = gallery.class_names or tuple(map(str, range(count)))
        heads["classify"] = Classes(
            rows,
            gallery.labels,
            NameTable(assets / "class_names.txt", names),
            options.knn_neighbours,
            options.knn_temperature,
        )
    return heads


def _of_images(
    network: Callable[[tf.Tensor], tf.Tensor],
    head: tf.Module,
    size: int,
    form: PixelFormat,
) -> tf.types.experimental.PolymorphicFunction:
    """Makes a function from images, [B, H, W, C], to a head's outputs.

    They are uint8, or float32 values of files with a range.
    """
    taken = tf.TensorSpec(
        [None, None, None, form.channels], file_values.dtype(form), "images"
    )

    @tf.function(input_signature=[taken], autograph=False)
    def function(images: tf.Tensor) -> dict[str, tf.Tensor]:
        levels = file_values.to_levels(images, form)
        return head(network(centre_square(levels, size)))

    return function


def _of_bytes(
    network: Callable[[tf.Tensor], tf.Tensor],
    head: tf.Module,
    size: int,
    channels: int,
) -> tf.types.experimental.PolymorphicFunction:
    """Makes a function from encoded files, string [B], to a head's outputs."""

    @tf.function(input_signature=[IMAGE_BYTES], autograph=False)
    def function(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return head(network(decode_batch(image_bytes, size, channels)))

    return function
