"""Name everything that is measured, and the pages that tell of it.

Comparisons run in the order in which they stand here and on the page. The
programs beside this file, such as `benchmarks.inference`, measure comparisons
whose sizes or whose run their flags name; these have no file and no page. What
`benchmarks.gpu` measures are whole trainings, which are taken up again after an
interruption: `benchmarks.gpu.levels` names them. `benchmarks.load` compares
nothing: it measures one model under several loads.
"""

from __future__ import annotations

from collections.abc import Sequence

from and_tf.utils.errors import InputError
from benchmarks.harness.comparison import Comparison
from benchmarks.speed import (
    growth,
    knn,
    loss,
    refresh,
    scaling,
    start,
    training_step,
    views,
)

COMPARISONS = (
    training_step.RESNET18,
    training_step.SMALL,
    loss.SPEED,
    loss.MEMORY,
    refresh.SPEED,
    knn.COMPARISON,
    views.PAPER,
    views.STRONG,
    start.DATA,
    start.TRAINING,
    growth.RUN_MEMORY,
    growth.PRODUCT,
    growth.STEP,
    growth.SAMPLED_STEP,
    growth.STEP_MEMORY,
    growth.REFRESH,
    scaling.REPLICAS,
)
BY_NAME = {comparison.name: comparison for comparison in COMPARISONS}


def choose(names: Sequence[str]) -> list[Comparison]:
    """Return the comparisons of these names, or all where there is no name.

    Raises:
        InputError: If a name is unknown.
    """
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise InputError(
            f"Expected --only among {', '.join(BY_NAME)}. Received: "
            f"{', '.join(unknown)}."
        )
    return [c for c in COMPARISONS if not names or c.name in names]
