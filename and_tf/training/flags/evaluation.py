"""Defines the flags of evaluations and of what is kept."""

from __future__ import annotations

import dataclasses

from and_tf.utils import bounds
from and_tf.utils.flag_config import Group, option


@dataclasses.dataclass(frozen=True)
class EvaluationFlags:
    """Evaluations, and the checkpoints that are kept for them."""

    keep_rounds: bool = option(
        Group.CHECKPOINTS,
        True,
        "Keep the checkpoint at the end of instance learning and of each "
        "round, for --checkpoint=round_<r> and for comparing rounds. Each is "
        "as large as any checkpoint. A run that is resumed with "
        "--nokeep_rounds deletes those that it has.",
        free=True,
    )
    evaluate_every: int = option(
        Group.EVALUATION,
        -1,
        "Number of epochs between two kNN evaluations in the memory bank, or "
        "in the clean gallery where the pretext has no bank. 0 evaluates at "
        "the end of each round only, where the clean gallery is evaluated "
        "too. -1 evaluates as often as takes about 5 % of the time, estimated "
        "from the numbers of images and the kind of device.",
        unit="epochs",
        least=-1,
        most=bounds.EPOCHS,
        free=True,
    )
    baselines: bool = option(
        Group.EVALUATION,
        True,
        "Evaluate raw pixels and the untrained encoder before the first step. "
        "It takes one pass over the images, which is long for a large encoder "
        "on a CPU.",
        free=True,
    )
    knn_neighbours: int = option(
        Group.EVALUATION,
        200,
        "Number of neighbours K that vote in a kNN evaluation. 200 is the "
        "paper's.",
        unit="neighbours",
        least=1,
        most=bounds.NEIGHBOURS,
    )
    knn_temperature: float = option(
        Group.EVALUATION,
        0.1,
        "Temperature τ of the votes' weights in a kNN evaluation: a smaller "
        "one gives the nearest neighbours more weight.",
        above=0.0,
        most=bounds.FACTOR,
    )
