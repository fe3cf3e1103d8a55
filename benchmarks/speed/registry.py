"""All comparisons, in the order in which they run and stand in the page."""

from __future__ import annotations

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
