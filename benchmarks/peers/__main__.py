"""Compare instance learning with other methods, in the same minutes.

    make bench-peers                                     # all, 10 minutes each
    python -m benchmarks.peers --python=.venv-peers/bin/python \\
        --side=and,simclr --minutes=10,30 --seed=0,1 --split=held_out
    python -m benchmarks.peers --minutes= --million_views=3 --python=…
    python -m benchmarks.peers --page

The others are SimCLR, BYOL, VICReg, NNCLR and SimSiam of lightly, in PyTorch on
the CPU, with the same network; benchmarks/PEERS.md says what is the same and
what is not. They have an environment of their own, of requirements-peers.txt.

Every training is a process of its own, one after another, and wants a machine
that does nothing else. Its figures are written to a file when it has ended. A
training whose file is there is left out, so that the same command goes on after
an interruption: ours from its last checkpoint, a peer from its beginning.
--page writes the page and its pictures from the files.
"""

from __future__ import annotations

import itertools
import pathlib
import shutil
import sys
from collections.abc import Iterator, Sequence

from absl import flags

from and_tf.utils import cli
from and_tf.utils.errors import InputError
from benchmarks import pages
from benchmarks.harness import program_flags
from benchmarks.harness.programs import Launcher
from benchmarks.peers import (
    evaluation,
    images,
    ours,
    record,
    same_network,
    theirs,
)
from benchmarks.peers.budget import Budget
from benchmarks.peers.setting import OURS, SPLITS, TITLES, VIEWS, Setting

_SIDE = flags.DEFINE_list(
    "side",
    list(TITLES),
    f"Who trains, separated by commas, of {', '.join(TITLES)}.",
)
_MINUTES = flags.DEFINE_list(
    "minutes",
    ["10"],
    "Minutes of each training, separated by commas. Each is a training of its "
    "own. May be empty.",
)
_MILLION_VIEWS = flags.DEFINE_list(
    "million_views",
    [],
    "Millions of views that a training sees, separated by commas: trainings "
    "of equal views, beside those of equal minutes.",
)
_SEED = flags.DEFINE_list("seed", ["0"], "Random seeds, separated by commas.")
_SPLIT = flags.DEFINE_enum(
    "split",
    "held_out",
    list(SPLITS),
    "Which images are asked about: 5,000 training images that no training "
    "sees, or the test split.",
)
_VIEWS = flags.DEFINE_enum(
    "views",
    "lightly",
    VIEWS,
    "How views of the peers are made: by lightly's own transforms, image by "
    "image, or the same recipes on batches.",
)
_VIEW_SIZE = flags.DEFINE_integer(
    "view_size",
    32,
    "Side of the peers' views, in pixels; ours has that of its recipe.",
    lower_bound=8,
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 128, "Number of images in a peer's batch.", lower_bound=2
)
_MAX_TRAIN_EXAMPLES = flags.DEFINE_integer(
    "max_train_examples",
    0,
    "Size of a random subset of the training images, to see the program work. "
    "0 is all. Needs --output_dir.",
    lower_bound=0,
)
_MEASURE_SECONDS = flags.DEFINE_float(
    "measure_seconds",
    10.0,
    "How long the speed of a peer is measured, for each number of processes "
    "that may make views.",
    lower_bound=0.0,
)
_THREADS = program_flags.threads("a peer")
_PYTHON = flags.DEFINE_string(
    "python",
    sys.executable,
    "Python interpreter of an environment with requirements-peers.txt.",
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", "", "Where TFDS keeps its data. If empty, in its usual place."
)
_WORK_DIR = flags.DEFINE_string(
    "work_dir",
    "runs/peers",
    "Directory of images, and of what a training needs until it has ended.",
)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir",
    "",
    "Directory of the files of figures, and then of the page too. If empty, "
    "files are in benchmarks/results/peers.",
)
_PAGE = flags.DEFINE_bool(
    "page", False, "Write the page from the files, and train nothing."
)


def main(argv: Sequence[str]) -> None:
    """Train what has no file yet, or write the page."""
    del argv
    output = pathlib.Path(_OUTPUT_DIR.value or pages.PEERS)
    if _PAGE.value:
        page = output / "PEERS.md" if _OUTPUT_DIR.value else None
        pages.write("PEERS.md", output, page)
        return
    if _MAX_TRAIN_EXAMPLES.value and not _OUTPUT_DIR.value:
        raise InputError(
            "Expected --output_dir with --max_train_examples, as figures of a "
            "few images are no results. Received none."
        )
    wanted = list(settings())
    left = [x for x in wanted if not record.path_of(output, x).exists()]
    print(f"{len(left)} of {len(wanted)} trainings are left", flush=True)
    place = pathlib.Path(_WORK_DIR.value)
    peers = Launcher(python=_PYTHON.value)
    if any(setting.side != OURS for setting in left):
        theirs.check_python(_PYTHON.value)
        apart = same_network.check(peers, place / "same_network")
        print(f"the two networks are {apart:.0e} apart", flush=True)
    for setting in left:
        print(f"{setting.name} begins", flush=True)
        path = _train(setting, peers, place, output)
        print(f"wrote {path}", flush=True)


def settings() -> Iterator[Setting]:
    """Yield what the flags ask for, the smallest budgets first.

    Raises:
        InputError: If a flag has no value of its kind.
    """
    unknown = [side for side in _SIDE.value if side not in TITLES]
    if unknown or not _SIDE.value:
        raise InputError(
            f"Expected --side among {', '.join(TITLES)}. Received: "
            f"{', '.join(unknown) or 'none'}."
        )
    budgets = [
        Budget(flag.name, amount)
        for flag in (_MINUTES, _MILLION_VIEWS)
        for amount in sorted(_numbers(flag, float))
    ]
    if not budgets:
        raise InputError(
            "Expected --minutes or --million_views. Received none."
        )
    seeds = _numbers(_SEED, int)
    for budget, seed, side in itertools.product(budgets, seeds, _SIDE.value):
        yield Setting(
            side,
            budget,
            seed,
            _SPLIT.value,
            _VIEWS.value,
            _VIEW_SIZE.value,
            _BATCH_SIZE.value,
            _MAX_TRAIN_EXAMPLES.value,
        )


def _numbers(flag: flags.FlagHolder, kind: type) -> list[float]:
    least = 0 if kind is int else 1e-6
    try:
        found = [kind(text) for text in flag.value if text]
    except ValueError:
        found = [-1]
    if any(not least <= number < float("inf") for number in found):
        raise InputError(
            f"Expected --{flag.name}, numbers "
            f"{'from 0' if kind is int else 'above 0'} separated by commas. "
            f"Received: {','.join(flag.value)}."
        )
    return found


def _train(
    setting: Setting,
    peers: Launcher,
    place: pathlib.Path,
    output: pathlib.Path,
) -> pathlib.Path:
    """Train, evaluate, and write the file of the figures."""
    given = images.path_of(
        place, setting.split, setting.max_train_examples, setting.seed
    )
    launcher = Launcher()
    if not given.exists():
        launcher.call(
            images.write,
            path=str(given),
            data_dir=_DATA_DIR.value,
            split=setting.split,
            most=setting.max_train_examples,
            seed=setting.seed,
        )
    at = place / setting.name
    if setting.side == OURS:
        report = ours.train(setting, launcher, at, given, _DATA_DIR.value)
    else:
        report = theirs.train(
            setting, peers, at, given, _MEASURE_SECONDS.value, _THREADS.value
        )
    knn = launcher.call(
        evaluation.evaluate,
        features=str(at / "features.npz"),
        images=str(given),
    )
    path = record.write(output, setting, report, knn)
    shutil.rmtree(at)
    return path


if __name__ == "__main__":
    cli.run(main)
