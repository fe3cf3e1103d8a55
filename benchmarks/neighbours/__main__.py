"""Compare what neighbours teach, by rules of searching and selecting them.

    python -m benchmarks.neighbours --output_dir=runs/neighbours/cifar10_0 \\
        --flagfile=configs/cifar10_quarter_hour.flags --width=1 \\
        --initial_epochs=40 --branch_epoch=24 --refresh_epochs=4 \\
        --arms=none,similar_half

All arms share one instance learning of --branch_epoch epochs, with one cosine
of the learning rate over all --initial_epochs. From there each goes on alone:
`none` with instance learning, others with neighbours that are found anew every
--refresh_epochs. So they see the same views in the same order, and differ by
their neighbours only. `benchmarks.neighbours.rules` has the arms.

Arms `run_…` search the embeddings that the encoder of --rows_run gives to the
same training images, such as a pretrained network's.

Each arm writes a JSON file to --output_dir; one that is there is not trained
again. An interruption costs the arm that was trained.

With --cosines no arm is trained: it prints the mean cosines of clean embeddings
with their neighbours' rows in the bank and with their clean embeddings, and of
the latter with the right and with the wrong ones. `none` is each image with
itself. With --page, the tables of docs/neighbourhoods.md are written from
benchmarks/results/neighbours.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib

from absl import flags

from and_tf.training.config import TrainConfig
from and_tf.utils import atomic_files, cli
from and_tf.utils.errors import InputError

_OUTPUT = flags.DEFINE_string(
    "output_dir", "", "Directory of the arms' figures."
)
_ARMS = flags.DEFINE_list("arms", ["none"], "Names of the arms, by commas.")
_BRANCH = flags.DEFINE_integer(
    "branch_epoch", 24, "Epochs that the arms share.", lower_bound=1
)
_REFRESH = flags.DEFINE_integer(
    "refresh_epochs", 4, "Epochs between two discoveries.", lower_bound=1
)
_LABEL_KEYS = flags.DEFINE_list(
    "label_keys",
    [""],
    "Names of the labels by which kNN is measured, by commas. The first are "
    "those whose neighbours are counted as right.",
)
_ROWS_RUN = flags.DEFINE_string(
    "rows_run",
    "",
    "Directory of a run on the same training images, in whose embeddings the "
    "arms run_… search for neighbours.",
)
_COSINES = flags.DEFINE_bool(
    "cosines",
    False,
    "Print how near the neighbours of each arm are where the arms begin, and "
    "train no arm.",
)
_PAGE = flags.DEFINE_bool(
    "page", False, "Write the tables of docs/neighbourhoods.md and end."
)


def main(config: TrainConfig) -> None:
    """Train what is missing, and print a line for each arm."""
    cli.import_tensorflow()
    from benchmarks.neighbours import page
    from benchmarks.neighbours.rules import ARMS
    from benchmarks.neighbours.trial import Trial

    if _PAGE.value:
        atomic_files.write_text(
            page.PATH, page.filled(page.PATH.read_text("utf-8"))
        )
        print(f"wrote {page.PATH}")
        return
    unknown = [name for name in _ARMS.value if name not in ARMS]
    if unknown or not _OUTPUT.value:
        raise InputError(
            f"Expected --output_dir and --arms among {', '.join(ARMS)}. "
            f"Received: {_OUTPUT.value!r}, {', '.join(unknown)}."
        )
    trial = Trial(
        config,
        pathlib.Path(_OUTPUT.value),
        _BRANCH.value,
        _REFRESH.value,
        _LABEL_KEYS.value,
        _ROWS_RUN.value,
    )
    if _COSINES.value:
        for name in _ARMS.value:
            found = dataclasses.asdict(trial.nearness(name))
            print(
                name,
                json.dumps({k: v and round(v, 3) for k, v in found.items()}),
            )
        return
    for name in _ARMS.value:
        print(name, json.dumps(trial.figures(name)["knn"]), flush=True)


if __name__ == "__main__":
    cli.run(main, TrainConfig)
