"""What a protocol can be told; the flags of `and_tf.evaluate`."""

from __future__ import annotations

import dataclasses

from and_tf.config import check_fields, option


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of all protocols, each named after its own."""

    knn_neighbours: int = option(200, "knn: K.", least=1)
    knn_temperature: float = option(0.1, "knn: τ of the weights.", above=0.0)
    knn_gallery: str = option(
        "both",
        "knn: whose labels vote: the memory bank, the training images' own "
        "clean embeddings, or each by itself.",
        choices=("both", "bank", "clean"),
    )
    linear_epochs: int = option(
        30, "linear: passes of SGD over the training images.", least=1
    )
    linear_learning_rate: float = option(
        3.0, "linear: SGD's first learning rate.", above=0.0
    )
    kmeans_clusters: int = option(
        0, "kmeans: C. 0: the number of classes.", least=0
    )
    kmeans_seeds: int = option(
        3, "kmeans: how often, with other first centres.", least=1
    )
    seed: int = option(
        0,
        "linear: draws the images held out and SGD's order; embedding: draws "
        "the images of the map.",
        least=0,
    )

    def __post_init__(self) -> None:
        check_fields(self)
