"""Defines the flags of the memory bank and of rounds."""

from __future__ import annotations

import dataclasses

from and_tf.utils import bounds
from and_tf.utils.flag_config import Group, option


@dataclasses.dataclass(frozen=True)
class MethodFlags:
    """The memory bank, neighbourhoods, and when rounds discover them."""

    temperature: float = option(
        Group.METHOD,
        0.1,
        "Temperature τ of the softmax in equation 2, in training and in "
        "discovery; of the student's similarities with --pretext=distillation, "
        "whose cosine loss has none; of the softmax over classes with other "
        "--pretext. 0.1 is the authors' value.",
        above=0.0,
        most=bounds.FACTOR,
    )
    memory_momentum: float = option(
        Group.METHOD,
        0.5,
        "Weight η of the new embedding when a row of the memory bank is "
        "updated (equation 8). 0.5 is the authors' value.",
        above=0.0,
        most=1.0,
    )
    negatives: int = option(
        Group.METHOD,
        0,
        "Number of rows of the memory bank that each step draws to estimate "
        "the softmax of equation 2. 0, the default, takes all N rows, and a "
        "step takes time that grows with N. The more rows, the better the "
        "estimate. It cannot be used with --shard_bank.",
        unit="rows",
        least=0,
        most=bounds.IMAGES,
    )
    bank_initialiser: str = option(
        Group.METHOD,
        "",
        "First rows of the memory bank: unit, random points on the unit "
        "sphere; uniform, random numbers within ±sqrt(3/D), as in the "
        "authors' code; or encoder, the embeddings of the encoder as it is at "
        "the start, which saves short runs the epoch that learns from noise. "
        "If it is not given, it is encoder with trained weights and unit "
        "without.",
        choices=("", "unit", "uniform", "encoder"),
    )
    neighbourhood_size: int = option(
        Group.METHOD,
        1,
        "Number of neighbours k in a neighbourhood, beside the sample itself "
        "(equation 1). The paper found 1 to be best.",
        unit="neighbours",
        least=1,
        most=bounds.NEIGHBOURS,
        of_rounds=True,
    )
    rounds: int = option(
        Group.METHOD,
        4,
        "Number of rounds R of neighbourhood discovery (equation 6). 4 is the "
        "paper's trade-off between accuracy and time. 0 trains by instance "
        "learning only.",
        unit="rounds",
        least=0,
        most=bounds.EPOCHS,
        of_rounds=True,
    )
    epochs_per_round: int = option(
        Group.SCHEDULE,
        200,
        "Number of epochs in each round. 200 is the paper's.",
        unit="epochs",
        least=1,
        most=bounds.EPOCHS,
        of_rounds=True,
    )
    initial_epochs: int = option(
        Group.SCHEDULE,
        -1,
        "Number of epochs of instance learning before round 1. -1 means as "
        "many as --epochs_per_round; 0 starts round 1 from the untrained "
        "encoder.",
        unit="epochs",
        least=-1,
        most=bounds.EPOCHS,
        of_rounds=True,
    )
    selection: str = option(
        Group.METHOD,
        "curriculum",
        "Which samples become anchors of a neighbourhood: curriculum, the "
        "surest r/R of them in round r; one_off, all of them in a single "
        "discovery; clusters, all of them in every round, with random members "
        "of their own k-means cluster as neighbours (after DeepCluster); or "
        "none.",
        choices=("curriculum", "one_off", "clusters", "none"),
        of_rounds=True,
    )
    clusters: int = option(
        Group.METHOD,
        0,
        "Number of k-means clusters with --selection=clusters. 0 means one "
        "for every 128 images, as DeepCluster's 10,000 on ImageNet.",
        unit="clusters",
        least=0,
        most=bounds.CLUSTERS,
        of_rounds=True,
    )
    discover_in: str = option(
        Group.METHOD,
        "bank",
        "Where neighbours and their entropies are searched: bank, the memory "
        "bank, in which both improve with the encoder; or teacher, the "
        "embeddings of --teacher, whose neighbours are the same in every "
        "round.",
        choices=("bank", "teacher"),
        of_rounds=True,
    )
    search_probes: int = option(
        Group.METHOD,
        0,
        "Number of cells of the memory bank in which the neighbours of a "
        "sample are searched, out of about 4 √N. 0, the default, searches "
        "exactly, whose time grows with N². Cells are for a million images and "
        "more. 16 of them found 94 % of the nearest neighbours among 45,000 "
        "images; each round prints how many it found.",
        unit="cells",
        least=0,
        most=bounds.CLUSTERS,
        of_rounds=True,
    )
