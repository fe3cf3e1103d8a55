"""What a protocol can be told; the flags of `and_tf.evaluate`."""

from __future__ import annotations

import dataclasses
import re

from and_tf.training.config import check_fields, option
from and_tf.utils import bounds
from and_tf.utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of all protocols, each named after its own."""

    knn_neighbours: int = option(
        200, "knn: K.", least=1, most=bounds.NEIGHBOURS
    )
    knn_temperature: float = option(
        0.1, "knn: τ of the weights.", above=0.0, most=bounds.FACTOR
    )
    knn_gallery: str = option(
        "both",
        "knn: whose labels vote: the memory bank, the training images' own "
        "clean embeddings, or each by itself.",
        choices=("both", "bank", "clean"),
    )
    linear_epochs: int = option(
        30,
        "linear: passes of SGD over the training images.",
        least=1,
        most=bounds.EPOCHS,
    )
    linear_learning_rate: float = option(
        3.0, "linear: SGD's first learning rate.", above=0.0, most=bounds.FACTOR
    )
    attention_images: str = option(
        "",
        "attention: numbers of the training images that are shown, such as "
        "0,17,4. Empty: drawn by --seed.",
    )
    attention_count: int = option(
        8,
        "attention: how many are shown where --attention_images is empty.",
        least=1,
        most=100,
    )
    attention_measured: int = option(
        256,
        "attention: how many training images, drawn by --seed, the figures "
        "are means over.",
        least=1,
        most=bounds.INT32,
    )
    kmeans_clusters: int = option(
        0, "kmeans: C. 0: the number of classes.", least=0, most=bounds.CLUSTERS
    )
    kmeans_seeds: int = option(
        3,
        "kmeans: how often, with other first centres.",
        least=1,
        most=bounds.REPEATS,
    )
    seed: int = option(
        0,
        "linear: draws the images held out and SGD's order; embedding: draws "
        "the images of the map; attention: draws the images.",
        least=0,
        most=bounds.SEED,
    )

    def __post_init__(self) -> None:
        check_fields(self)
        _ = self.attention_numbers  # So that what is none is refused at once.

    @property
    def attention_numbers(self) -> tuple[int, ...]:
        """`attention_images` as numbers, each once, in the order given."""
        if not self.attention_images:
            return ()
        parts = [part.strip() for part in self.attention_images.split(",")]
        wrong = [part for part in parts if not re.fullmatch("[0-9]+", part)]
        if wrong:
            raise InputError(
                "Expected --attention_images to be numbers with commas "
                f"between them, such as 0,17,4. Received: {wrong[0]!r}."
            )
        return tuple(dict.fromkeys(map(int, parts)))
