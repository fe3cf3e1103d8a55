"""Compare runs by few labels: kNN and a linear classifier on what they learnt.

    python -m benchmarks.few_labels --run_dirs=runs/scratch,runs/frozen

All runs need the same images, with labels and a test split. A share of the
training labels is drawn from each class; the same draws serve all runs. kNN
compares embeddings, with K = 20 or as many labels as there are; the linear
classifier is a logistic regression on standardised features before the head.
Nothing is chosen on the test split.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from absl import flags

from and_tf.data.split import Split
from and_tf.encoders import heads
from and_tf.evaluation.embeddings import embed
from and_tf.evaluation.knn import weighted_knn
from and_tf.finetuning.labelling import draw
from and_tf.training.run import Run
from and_tf.training.start_encoder import embedded
from and_tf.utils import atomic_files, averages, cli
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted

_RUN_DIRS = flags.DEFINE_list(
    "run_dirs", [], "Directories of the runs to compare, by commas."
)
_FRACTIONS = flags.DEFINE_list(
    "fractions", ["0.01", "0.1", "1"], "Shares of the labels, by commas."
)
_DRAWS = flags.DEFINE_integer(
    "draws", 5, "Number of draws of each share below 1.", lower_bound=1
)
_OUTPUT = flags.DEFINE_string(
    "output", "", "JSON file to write the figures to. If empty, none is."
)
_NEIGHBOURS, _TEMPERATURE = 20, 0.1
_ITERATIONS = 2000


def main(argv: Sequence[str]) -> None:
    """Measure, and print a table."""
    del argv
    if not _RUN_DIRS.value:
        raise InputError(
            "Expected --run_dirs, the directories of runs, by commas. Received "
            "none."
        )
    found = {
        name: measure(Run(pathlib.Path(name)).prepared())
        for name in _RUN_DIRS.value
    }
    print(table(found))
    if _OUTPUT.value:
        atomic_files.write_json(pathlib.Path(_OUTPUT.value), found)


def measure(run: Run) -> dict[str, Any]:
    """Return the accuracies on the test split, {"1 %": {"knn": [...]}}."""
    train, test = run.images.train, run.images.test
    if test is None or not train.has_labels or not test.has_labels:
        raise InputError(
            "Expected a run whose images have labels and a test split. "
            f"Received: {run.directory.path}."
        )
    trunk, head = heads.split(run.encoder)
    own, theirs = (_features(run, trunk, split) for split in (train, test))
    rows, queries = embedded(head, own), embedded(head, theirs)
    labels, truth = np.asarray(train.labels), np.asarray(test.labels)
    result: dict[str, Any] = {"labels_seen": run.pretrained or run.teacher}
    for fraction in map(float, _FRACTIONS.value):
        accuracies: dict[str, list[float]] = {"knn": [], "linear": []}
        for seed in range(_DRAWS.value if fraction < 1 else 1):
            some = draw(labels, fraction, seed)
            knn = weighted_knn(
                queries,
                truth,
                rows[some],
                labels[some],
                neighbours=_NEIGHBOURS,
                temperature=_TEMPERATURE,
            )
            accuracies["knn"].append(knn.top1)
            linear = _linear(own[some], labels[some], theirs, truth)
            accuracies["linear"].append(linear)
        result[f"{100 * fraction:g} %"] = {"labels": len(some), **accuracies}
    return result


def table(found: dict[str, dict[str, Any]]) -> str:
    """Format the figures as a table in Markdown."""
    shares = [key for key in next(iter(found.values())) if key.endswith("%")]
    kinds = [(share, kind) for share in shares for kind in ("knn", "linear")]
    lines = [
        "| run | " + " | ".join(f"{kind}, {s}" for s, kind in kinds) + " |",
        "|---|" + "---|" * len(kinds),
    ]
    for name, figures in found.items():
        cells = [
            averages.percent(*_mean(figures[share][kind]))
            for share, kind in kinds
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _mean(values: Sequence[float]) -> tuple[float | None, int, float | None]:
    mean, deviation = averages.mean_deviation(values)
    return mean, 1, deviation


def _features(run: Run, trunk: Any, split: Split) -> np.ndarray:
    with Counted(f"features of {split.name}", split.size) as progress:
        return embed(trunk, split, run.image_size, progress.advance)


def _linear(
    features: np.ndarray,
    labels: np.ndarray,
    queries: np.ndarray,
    truth: np.ndarray,
) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # The strength of its regularisation is fixed: with few labels nothing is
    # left to choose it by.
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, max_iter=_ITERATIONS)
    )
    return float(model.fit(features, labels).score(queries, truth))


if __name__ == "__main__":
    cli.run(main)
