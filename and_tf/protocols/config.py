"""Defines the options of the protocols, the flags of `and_tf.evaluate`."""

from __future__ import annotations

import dataclasses
import re

from and_tf.utils import bounds
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import FlagConfig, Group, option


@dataclasses.dataclass(frozen=True)
class Options(FlagConfig):
    """The options of all protocols, with the protocol's name as prefix.

    `seed` belongs to several protocols and has no prefix.
    """

    knn_neighbours: int = option(
        Group.KNN,
        200,
        "Number of neighbours K that vote on an image's class. 200 is the "
        "paper's.",
        unit="neighbours",
        least=1,
        most=bounds.NEIGHBOURS,
    )
    knn_temperature: float = option(
        Group.KNN,
        0.1,
        "Temperature τ of the votes' weights: a smaller one gives the nearest "
        "neighbours more weight. 0.1 is the authors' value.",
        above=0.0,
        most=bounds.FACTOR,
    )
    knn_gallery: str = option(
        Group.KNN,
        "both",
        "Whose labels vote: bank takes the rows of the memory bank, clean the "
        "embeddings of the training images without augmentation, and both "
        "evaluates with each of them in turn.",
        choices=("both", "bank", "clean"),
    )
    linear_epochs: int = option(
        Group.LINEAR,
        30,
        "Number of epochs for which SGD trains a linear classifier.",
        unit="epochs",
        least=1,
        most=bounds.EPOCHS,
    )
    linear_learning_rate: float = option(
        Group.LINEAR,
        3.0,
        "Learning rate with which SGD begins.",
        unit="rate",
        above=0.0,
        most=bounds.FACTOR,
    )
    attention_images: str = option(
        Group.ATTENTION,
        "",
        "Sample numbers of the training images to show, separated by commas, "
        "such as 0,17,4. If empty, --attention_count random ones are shown.",
    )
    attention_count: int = option(
        Group.ATTENTION,
        8,
        "Number of images to show if --attention_images is empty.",
        unit="images",
        least=1,
        most=100,
    )
    attention_measured: int = option(
        Group.ATTENTION,
        256,
        "Number of random training images over which the figures are "
        "averaged; more take longer and vary less.",
        unit="images",
        least=1,
        most=bounds.INT32,
    )
    kmeans_clusters: int = option(
        Group.KMEANS,
        0,
        "Number of clusters C. 0 means the number of classes of the data set.",
        unit="clusters",
        least=0,
        most=bounds.CLUSTERS,
    )
    kmeans_seeds: int = option(
        Group.KMEANS,
        3,
        "Number of times that k-means is run, each with its own first "
        "centres; the figures are means over them.",
        unit="runs",
        least=1,
        most=bounds.REPEATS,
    )
    selections_beside: str = option(
        Group.EVALUATION,
        "",
        "Directory of another run of the same training images. The protocol "
        "selections then also selects the images for which both runs find the "
        "same nearest neighbour. Default: none.",
        path=True,
        urls=True,
    )
    seed: int = option(
        Group.EVALUATION,
        0,
        "Random seed of the protocols: for the images that linear holds out "
        "and the order of its SGD, and for the images that embedding and "
        "attention draw.",
        unit="seed",
        least=0,
        most=bounds.SEED,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.attention_numbers  # Raises an error for invalid numbers.

    @property
    def attention_numbers(self) -> tuple[int, ...]:
        """The numbers in `attention_images`, in order, without duplicates."""
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
