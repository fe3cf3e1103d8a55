"""Writes a page about a run: what it was, how it ended, what it looks like.

Examples:

    The page of a run, runs/cifar100/report.html:
        python -m and_tf.report --run_dir=runs/cifar100

    The page of a clustering, likewise of a fine-tuning, in another place:
        python -m and_tf.report --run_dir=runs/cifar100/scan \\
            --output=pages/scan.html

    Existing figures only, without evaluating anything:
        python -m and_tf.report --run_dir=runs/cifar100 --noevaluate

The page is one file that opens without a network. Figures that it shows and
that the run does not have yet are evaluated first, and kept beside the run as
and_tf.evaluate keeps them. --run_dir may name a run that is finished or has a
checkpoint, or a finished clustering or fine-tuning.
"""

from __future__ import annotations

import dataclasses
import pathlib

from and_tf import storage
from and_tf.training.run_flags import RunFlags
from and_tf.utils import checkpoint_names, cli, paths
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import Group, option


@dataclasses.dataclass(frozen=True)
class ReportConfig(RunFlags):
    """The flags that choose the run and the file of the page."""

    evaluate: bool = option(
        Group.EVALUATION,
        True,
        "Evaluate what the page shows and this checkpoint has no figures of "
        "yet, which may take minutes. --noevaluate shows what is there.",
    )
    output: str = option(
        Group.OUTPUT,
        "",
        "File of the page, which ends in .html. If empty, it is report.html "
        "in the run's directory. An older page is replaced.",
        path=True,
        urls=True,
    )

    @property
    def page(self) -> pathlib.Path:
        """The path of the page to write."""
        return storage.place(self.output or self.run_directory / "report.html")


def main(config: ReportConfig) -> None:
    """Writes the page of a run, a clustering or a fine-tuning."""
    with storage.sent(config.page) as page:
        _check_output(page)
        _write(config)


def _write(config: ReportConfig) -> None:
    """Writes the page of what is in the directory."""
    cli.import_tensorflow()
    from and_tf.finetuning.finetuned import is_finetuning
    from and_tf.scan.clustering import is_clustering

    if is_finetuning(config.run_directory):
        _write_finetuning(config)
    elif is_clustering(config.run_directory):
        _write_clustering(config)
    else:
        _write_run(config)


def _check_output(output: pathlib.Path) -> None:
    """Checks that the page can be written, before any work is done.

    Args:
        output: The path of the page.

    Raises:
        InputError: If the path is a directory, does not end in .html or .htm,
            or cannot be written.
    """
    if output.is_dir():
        raise InputError(
            f"Expected a file for --output, such as {output / 'report.html'}. "
            f"Received the directory {output}."
        )
    if output.suffix not in (".html", ".htm"):
        # The page may replace an older page, but never a run's own files.
        raise InputError(
            f"Expected --output to end in .html. Received: {str(output)!r}."
        )
    paths.check_output("output", output)


def _write_run(config: ReportConfig) -> None:
    from and_tf.reporting import run_page
    from and_tf.training.run import Run

    run = Run(
        config.run_directory,
        config.checkpoint,
        config.data_dir,
        evaluates=config.evaluate,
    )
    _ = run.kept  # Raises an error if there is nothing to show.
    if run.missing:
        print(f"The page has no images and no model: {run.missing}")
    elif run.evaluates:
        run_page.complete(run)
    run_page.write(run, config.page)


def _write_clustering(config: ReportConfig) -> None:
    from and_tf.reporting import cluster_page
    from and_tf.scan.clustering import Clustering

    _check_last(config, "clustering")
    found = Clustering(config.run_directory, config.data_dir, config.evaluate)
    if found.missing:
        print(f"The page has no images: {found.missing}")
    cluster_page.write(found, config.page)


def _write_finetuning(config: ReportConfig) -> None:
    from and_tf.finetuning.finetuned import Finetuned
    from and_tf.reporting import finetune_page

    _check_last(config, "fine-tuning")
    found = Finetuned(config.run_directory, config.data_dir, config.evaluate)
    if found.missing:
        print(f"The page has no images: {found.missing}")
    finetune_page.write(found, config.page)


def _check_last(config: ReportConfig, kind: str) -> None:
    """Refuses other checkpoints than the last of what keeps that alone."""
    if config.checkpoint != checkpoint_names.LAST:
        raise InputError(
            f"Expected --checkpoint=last, as {config.run_dir} is a {kind} and "
            f"keeps its last only. Received: {config.checkpoint}."
        )


if __name__ == "__main__":
    cli.run(main, ReportConfig)
