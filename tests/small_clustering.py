"""Makes clusterings that take seconds."""

from __future__ import annotations

import pathlib

from and_tf.scan import trainer
from and_tf.scan.config import ClusterConfig


def cluster(
    run_dir: pathlib.Path, output: pathlib.Path, **changes
) -> pathlib.Path:
    """Clusters a run on digits, and returns the clustering's directory."""
    trainer.cluster(
        ClusterConfig(
            **{
                "run_dir": str(run_dir),
                "output_dir": str(output),
                "neighbours": 5,
                "batch_size": 100,
                "epochs": 2,
                "heads": 2,
                "learning_rate": 1e-3,
                "kmeans_seeds": 1,
                "checkpoint_seconds": 0.0,
                **changes,
            }
        )
    )
    return output
