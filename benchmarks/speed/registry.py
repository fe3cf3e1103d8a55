"""All comparisons, in the order in which they run and stand in the page."""

from __future__ import annotations

from collections.abc import Sequence

from and_tf.utils.errors import InputError
from benchmarks.speed import (
    augmentation,
    growth,
    knn,
    loss,
    refresh,
    run_memory,
    start,
    training_step,
)
from benchmarks.speed.comparison import Comparison

COMPARISONS = (
    training_step.RESNET18,
    training_step.SMALL,
    loss.SPEED,
    loss.MEMORY,
    refresh.COMPARISON,
    knn.COMPARISON,
    augmentation.COMPARISON,
    start.DATA,
    start.TRAINING,
    run_memory.COMPARISON,
    growth.PRODUCT,
    growth.STEP,
    growth.STEP_MEMORY,
    growth.REFRESH,
    growth.REPLICAS,
)
BY_NAME = {comparison.name: comparison for comparison in COMPARISONS}


def choose(names: Sequence[str]) -> list[Comparison]:
    """The comparisons of these names, in the registry's order; of none, all.

    Raises:
        InputError: If there is none of a name.
    """
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise InputError(
            f"Expected --only among {', '.join(BY_NAME)}. Received: "
            f"{', '.join(unknown)}."
        )
    return [c for c in COMPARISONS if not names or c.name in names]
