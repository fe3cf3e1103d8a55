"""What travels beside an exported encoder: where it is from, what it takes."""

from __future__ import annotations

from typing import Any

from and_tf.run_directory import versions
from and_tf.trained import TrainedEncoder


def describe(run: TrainedEncoder) -> dict[str, Any]:
    """JSON that says what an encoder takes and gives and how it came about.

    Args:
        run: The encoder's run.
    """
    result = run.directory.read_result() or {}
    history = run.checkpoint.notes["history"]
    return {
        "image_size": run.image_size,
        "embedding_dim": run.embedding_dim,
        "run_dir": str(run.directory.path),
        "dataset": run.config.dataset,
        "pretext": run.config.pretext,
        "backbone": run.config.backbone,
        "epochs": run.checkpoint.epochs,
        "seed": run.config.seed,
        "knn_top1": history[-1].get("knn_clean") if history else None,
        "knn_protocol": result.get("knn_protocol"),
        "versions": versions(),
    }
