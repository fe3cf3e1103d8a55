"""Prints the start, the progress and the results of a clustering."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from and_tf.distribution.process_group import ProcessGroup
from and_tf.scan import unsupervised_metrics, validation
from and_tf.scan.config import ClusterConfig
from and_tf.scan.directory import ClusterDirectory
from and_tf.scan.results import NAMES
from and_tf.training import result_file
from and_tf.training import results as training_summary
from and_tf.training.run import Run
from and_tf.utils import provenance
from and_tf.utils.averages import percent
from and_tf.utils.progress import Counted

FAST = (
    "For a clustering in minutes: --freeze --augmentation=none computes the "
    "features once, and --loss=temi learns well from them "
    "(configs/scan_pretrained.flags)."
)


def print_start(
    config: ClusterConfig, source: Run, clusters: int, processes: ProcessGroup
) -> None:
    """Prints the run, the devices, and the number of clusters."""
    described = dataclasses.replace(source.config, precision=config.precision)
    training_summary.print_start(source.images, described, {}, processes)
    if source.pretrained:
        print(f"first weights: {provenance.describe(source.pretrained)}")
    print(
        f"encoder of {source.directory.path} after {source.moment}, "
        f"{'frozen' if config.freeze else 'fine-tuned'}"
    )
    why = "" if config.clusters else ", the number of classes"
    print(f"{clusters} clusters{why}", flush=True)
    begins = source.config.pretrained and not source.epochs
    if (config.freeze or begins) and not config.embeds_once:
        print(FAST, flush=True)


def print_mined(k: int, agreement: dict[str, float | None]) -> None:
    """Prints how many of the mined neighbours have their image's label."""
    text = f"{k} neighbours of each image"
    if agreement["train"] is not None:
        text += f", {percent(agreement['train'])} with its label"
    print(text, flush=True)


def print_oracle(kept: np.ndarray) -> None:
    """Prints that labels are used, and for which purpose.

    Args:
        kept: int32 [N, K], the result of `mining.without_false`.
    """
    alone = (kept == np.arange(len(kept))[:, None]).all(1).mean()
    print(
        f"LABELS ARE USED (--mining=oracle): neighbours with another label "
        f"are left out; {percent(alone)} of the images have none left and "
        "are paired with themselves",
        flush=True,
    )


def print_baseline(compared: dict[str, Any] | None) -> None:
    """Prints the ACC of k-means, the baseline of the clustering."""
    if compared is not None:
        print(f"k-means: ACC {percent(compared['acc'])}", flush=True)


def with_progress(
    name: str,
    total: int,
    work: Callable[[Callable[[int], None]], np.ndarray],
) -> np.ndarray:
    """Shows a progress bar while a function runs.

    Args:
        name: The name of the work.
        total: The number of things to do.
        work: The function. It is called with a callback that it calls with
            the number of things that it has done since the last call.

    Returns:
        The result of `work`.
    """
    with Counted(name, total) as progress:
        return work(progress.advance)


def show(directory: ClusterDirectory, result: dict[str, Any]) -> None:
    """Prints the results of a finished clustering and the files it wrote."""
    with result_file.using(directory.result):
        print_table(result)
        print_files(directory, result)


def print_table(result: dict[str, Any]) -> None:
    """Prints the figures of k-means and of SCAN's steps, and the clusters."""
    print()
    if result["acc"] is not None:
        _print_methods(result)
    _print_end(result["self_labelling"])
    if result["uses_labels"]:
        print(
            "LABELS WERE USED: neighbours with another label were left out "
            "(--mining=oracle), so this is an upper bound, not a result "
            "without labels"
        )
    sizes = result["cluster_sizes"]
    print(
        f"{result['clusters_used']} of {len(sizes)} clusters used, with "
        f"{min(sizes):,} to {max(sizes):,} images"
    )
    if result["without_labels"]:
        print(unsupervised_metrics.sentence(result["without_labels"]))
    if result["collapsed"]:
        print(
            validation.COLLAPSED.format(
                used=result["clusters_used"],
                clusters=len(sizes),
                largest=100 * max(sizes) / sum(sizes),
            )
        )


def _print_methods(result: dict[str, Any]) -> None:
    """Prints a line of figures for each method, and the matching."""

    def line(name: str, found: dict[str, Any]) -> None:
        cells = [found.get(key) for key in NAMES]
        text = "".join(f"{percent(x):>11}" for x in cells)
        print(f"{name:16}{text}".rstrip())

    print(f"{'':16}" + "".join(f"{head:>11}" for head in NAMES.values()))
    if result["kmeans"] is not None:
        line("k-means", result["kmeans"])
    name = result.get("loss", "scan").upper()
    name = "oracle" if result["uses_labels"] else name
    line(name, result["after_clustering"])
    if (result["self_labelling"] or {}).get("epochs"):
        line("+ self-labelling", result)
    if result["acc_majority"] is not None:
        share = percent(result["acc_majority"])
        print(f"many clusters to one class: {share}")
    protocol = result["protocol"]
    print(
        f"matched on {protocol['matched_on']}, "
        f"{protocol['num_queries']:,} images; epoch: {protocol['epoch']}"
    )


def _print_end(labelled: dict[str, Any] | None) -> None:
    """Prints how long self-labelling was trained and why it ended."""
    if not labelled:
        return
    if not labelled["epochs"]:
        print(
            "no self-labelling, as no prediction was above --threshold="
            f"{labelled['threshold']:g}; lower it and continue with --resume"
        )
        return
    why = ""
    if labelled["ended"] == "settled":
        why = ", where the confident share no longer grew"
    print(
        f"{labelled['epochs']} epochs of self-labelling{why}: "
        f"{percent(labelled['confident'])} confident at the end"
    )


def print_files(directory: ClusterDirectory, result: dict[str, Any]) -> None:
    """Prints the names of the files that the clustering wrote."""
    confusion = f"{directory.confusion.name}: classes by matched clusters"
    print(f"\nwrote {directory.path}/")
    for text in (
        f"{directory.prototypes.name}: the most confident images of each",
        *([confusion] if result["confusion"] is not None else []),
        f"{directory.curves.name}: the curves of the clustering",
        "result.json: the figures, with their protocol",
        "metrics.csv: one row for each epoch",
        "checkpoints/, neighbours.npz, sample.npz, flags.cfg",
        f"tensorboard/: tensorboard --logdir {directory.path}",
    ):
        print(f"  {text}")
