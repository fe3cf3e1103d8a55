"""An encoder as TensorFlow functions that need nothing of this project.

A signature is an input (pixels, or encoded files) put before a network and a
head (see `heads`). What a SavedModel of it stores are the networks' weights
and, where a head compares with training images, one gallery: each once.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable

import keras
import tensorflow as tf

from and_tf.data.preprocessing import centre_square
from and_tf.utils.errors import InputError
from export.embeddings.gallery import Gallery
from export.exportable import ClusteredEncoder, Exportable
from export.serving.decoding import decode_batch
from export.serving.signatures import (
    Classes,
    Clusters,
    Embedding,
    NameTable,
    Neighbours,
)

IMAGES = tf.TensorSpec([None, None, None, 3], tf.uint8, "images")
IMAGE_BYTES = tf.TensorSpec([None], tf.string, "image_bytes")


@dataclasses.dataclass(frozen=True)
class Options:
    """What is served beside the embedding.

    Attributes:
        neighbours: k of the signature `neighbours`; 0 leaves it out.
        classify: Whether there is a signature `classify` by kNN; that of a
            clustering is by its clusters, and always there.
        knn_neighbours: K, how many vote on a class.
        knn_temperature: τ of the votes.
    """

    neighbours: int = 0
    classify: bool = False
    knn_neighbours: int = 200
    knn_temperature: float = 0.1

    @property
    def need_gallery(self) -> bool:
        """Whether training images are compared with."""
        return self.neighbours > 0 or self.classify


class Servable(tf.Module):
    """A trained encoder with its heads.

    Args:
        run: The encoder's run, or its clustering.
        options: Which heads.
        gallery: What they compare with; None where none does.
        assets: An empty directory, where names are written that the
            SavedModel takes along.

    Attributes:
        functions: By signature; each takes one tensor and gives named ones.

    Raises:
        InputError: If more neighbours are asked for than the gallery has, or
            classes of a gallery without labels.
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
        if options.need_gallery:
            heads |= _compare(options, gallery, assets)
        networks = dict.fromkeys(heads, run.encoder)
        if isinstance(run, ClusteredEncoder):
            names = NameTable(assets / "cluster_names.txt", run.cluster_names)
            heads["classify"] = Clusters(names)
            networks["classify"] = run.classifier
        # The bare variables: a Keras model tracked here would store its
        # weights a second time, with much that serving does not need.
        variables = [v for n in networks.values() for v in n.variables]
        self._weights = [
            v.value for v in {id(v): v for v in variables}.values()
        ]
        self._heads = list(heads.values())  # What it holds is stored.

        functions = {}
        for name, head in heads.items():
            plain = "serving_default" if name == "serving" else name
            network = _of_any_count(networks[name])
            functions[plain] = _of_images(network, head, run.image_size)
            functions[f"{name}_bytes"] = _of_bytes(
                network, head, run.image_size
            )
        self.functions = functions


def _of_any_count(
    network: keras.Model,
) -> Callable[[tf.Tensor], tf.Tensor]:
    """A network of images [B, S, S, 3] where B may be 0."""

    def apply(images: tf.Tensor) -> tf.Tensor:
        # A convolution of no images fails in oneDNN: it gets one.
        count = tf.shape(images)[0]
        missing = tf.cast(count == 0, tf.int32)
        padded = tf.pad(images, [[0, missing], [0, 0], [0, 0], [0, 0]])
        padded = tf.ensure_shape(padded, images.shape)
        return network(padded, training=False)[:count]

    return apply


def _compare(
    options: Options, gallery: Gallery, assets: pathlib.Path
) -> dict[str, tf.Module]:
    """The heads that compare with a gallery, which they share."""
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
        table = names and NameTable(assets / "file_names.txt", names)
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
    network: Callable[[tf.Tensor], tf.Tensor], head: tf.Module, size: int
) -> tf.types.experimental.PolymorphicFunction:
    """Pixels, uint8 [B, H, W, 3] of any H and W, to a head's outputs."""

    @tf.function(input_signature=[IMAGES], autograph=False)
    def function(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return head(network(centre_square(images, size)))

    return function


def _of_bytes(
    network: Callable[[tf.Tensor], tf.Tensor], head: tf.Module, size: int
) -> tf.types.experimental.PolymorphicFunction:
    """JPEG or PNG files, string [B], to a head's outputs."""

    @tf.function(input_signature=[IMAGE_BYTES], autograph=False)
    def function(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return head(network(decode_batch(image_bytes, size)))

    return function
