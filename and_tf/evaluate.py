"""Evaluates a trained run and adds the figures to its result.json.

Examples:

    Weighted kNN and linear classifiers of the last checkpoint:
        python -m and_tf.evaluate --run_dir=runs/cifar100 \\
            --protocols=knn,linear

    k-means, at the end of round 2:
        python -m and_tf.evaluate --run_dir=runs/cifar100 \\
            --protocols=kmeans --checkpoint=round_2

    Maps of where the encoder looks, for three images:
        python -m and_tf.evaluate --run_dir=runs/cifar100 \\
            --protocols=attention --attention_images=0,17,4

A protocol whose inputs are missing, such as labels, is reported at the end;
the others still run. Pictures are written to the run's directory.
"""

from __future__ import annotations

import dataclasses

from and_tf import protocols
from and_tf.protocols.config import Options
from and_tf.training.run_flags import RunFlags
from and_tf.utils import cli, paths
from and_tf.utils.flag_config import Group, option


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(RunFlags):
    """The flags that choose the run and the protocols that evaluate it."""

    protocols: str = option(
        Group.EVALUATION,
        "knn",
        f"What to evaluate, separated by commas: {', '.join(protocols.NAMES)}.",
    )

    def __post_init__(self) -> None:
        protocols.check(self.names)
        super().__post_init__()

    @property
    def names(self) -> list[str]:
        """The names of the protocols, as a list."""
        names = (name.strip() for name in self.protocols.split(","))
        return [name for name in names if name]


def main(config: EvaluateConfig, options: Options) -> None:
    """Evaluates a run by the chosen protocols."""
    # The figures are written to the run's directory.
    paths.check_output("run_dir", config.run_directory)
    cli.import_tensorflow()
    from and_tf.training.run import Run

    run = Run(config.run_directory, config.checkpoint, config.data_dir)
    protocols.evaluate(run.prepared(), config.names, options)


if __name__ == "__main__":
    cli.run(main, EvaluateConfig, Options)
