"""Writes a page about a run: what it was, how it ended, what it looks like.

    python -m and_tf.report --run_dir=runs/cifar100

writes runs/cifar100/report.html, one file that opens without a network. What
the page shows and nobody has evaluated yet is evaluated first, and kept beside
the run as `and_tf.evaluate` keeps it. A clustering's directory, such as
runs/cifar100/scan, has a page of its own.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from absl import flags

from and_tf.utils import cli, paths
from and_tf.utils.errors import InputError

_RUN_DIR = paths.define(
    "run_dir",
    "",
    "The run, finished or with a checkpoint; or a finished clustering.",
)
_OUTPUT = paths.define(
    "output", "", "The page. Empty: report.html in the run's directory."
)
_DATA_DIR = paths.define(
    "data_dir", "", "Where its data set lies. Empty: where it lay in training."
)
_CHECKPOINT = cli.define_checkpoint()
_EVALUATE = flags.DEFINE_bool(
    "evaluate",
    True,
    "Evaluate what the page shows and this checkpoint has not had. False: "
    "show what is there.",
)


def main(argv: Sequence[str]) -> None:
    """Reads the flags and writes the page."""
    del argv
    if not _RUN_DIR.value:
        raise InputError(
            "Expected --run_dir, the directory of a run. Received none."
        )
    path = pathlib.Path(_RUN_DIR.value)
    output = pathlib.Path(_OUTPUT.value or path / "report.html")
    if output.is_dir():
        raise InputError(
            f"Expected a file for --output, such as {output / 'report.html'}. "
            f"Received the directory {output}."
        )
    if output.suffix not in (".html", ".htm"):
        # It replaces an older page, and must never replace a run's own files.
        raise InputError(
            f"Expected --output to end in .html. Received: {str(output)!r}."
        )
    paths.check_output("output", output)
    cli.import_tensorflow()
    from and_tf.scan.classifier import is_clustering

    if is_clustering(path):
        _write_clustering(path, output)
    else:
        _write_run(path, output)


def _write_run(path: pathlib.Path, output: pathlib.Path) -> None:
    from and_tf.reporting import reported_run, run_page
    from and_tf.reporting.completion import complete

    run = reported_run.load(
        path, _DATA_DIR.value, _CHECKPOINT.value, _EVALUATE.value
    )
    if run.missing:
        print(f"without images and model: {run.missing}")
    elif run.evaluates:
        complete(run)
    run_page.write(run, output)


def _write_clustering(path: pathlib.Path, output: pathlib.Path) -> None:
    from and_tf.reporting import cluster_page, reported_clustering
    from and_tf.utils import checkpoint_names

    if _CHECKPOINT.value != checkpoint_names.LAST:
        raise InputError(
            f"Expected --checkpoint=last of a clustering, {path}. Received: "
            f"{_CHECKPOINT.value}."
        )
    found = reported_clustering.load(path, _DATA_DIR.value, _EVALUATE.value)
    if found.missing:
        print(f"without images: {found.missing}")
    cluster_page.write(found, output)


if __name__ == "__main__":
    cli.run(main)
