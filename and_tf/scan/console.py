"""What a clustering says at its beginning and at its end."""

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
from and_tf.utils.progress import Counted


def print_start(
    config: ClusterConfig, source: Run, clusters: int, processes: ProcessGroup
) -> None:
    """From which run, on what, and where C comes from."""
    described = dataclasses.replace(source.config, precision=config.precision)
    training_summary.print_start(source.images, described, processes)
    print(
        f"encoder of {source.directory.path} after {source.epochs} epochs, "
        f"{'frozen' if config.freeze else 'fine-tuned'}"
    )
    why = "" if config.clusters else ", the number of classes"
    print(f"{clusters} clusters{why}", flush=True)


def print_mined(k: int, agreement: dict[str, float | None]) -> None:
    """How many of the mined neighbours are of one class."""
    text = f"{k} neighbours of each image"
    if agreement["train"] is not None:
        text += f", {100 * agreement['train']:.1f} % with its label"
    print(text, flush=True)


def print_oracle(kept: np.ndarray) -> None:
    """That labels are used, and to what.

    Args:
        kept: int32 [N, K], neighbours without the false ones.
    """
    alone = (kept == np.arange(len(kept))[:, None]).all(1).mean()
    print(
        f"LABELS ARE USED (--mining=oracle): neighbours with another label "
        f"are left out; {100 * alone:.1f} % of the images have none left and "
        "are paired with themselves",
        flush=True,
    )


def print_baseline(compared: dict[str, Any] | None) -> None:
    """ACC of k-means, which the clustering has to beat."""
    if compared is not None:
        print(f"k-means: ACC {100 * compared['acc']:.1f} %", flush=True)


def with_progress(
    name: str,
    total: int,
    work: Callable[[Callable[[int], None]], np.ndarray],
) -> np.ndarray:
    """Shows the progress of what reports it."""
    with Counted(name, total) as progress:
        return work(progress.advance)


def show(directory: ClusterDirectory, result: dict[str, Any]) -> None:
    """Prints how a finished clustering ended, and what it wrote."""
    with result_file.using(directory.result):
        print_table(result)
        print_files(directory, result)


def print_table(result: dict[str, Any]) -> None:
    """k-means and SCAN's steps beside each other, and how it ended."""
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
    """A line of figures each, and what they were matched on."""

    def line(name: str, found: dict[str, Any]) -> None:
        cells = [found.get(key) for key in NAMES]
        text = "".join(
            f"{'' if x is None else f'{100 * x:.1f} %':>11}" for x in cells
        )
        print(f"{name:16}{text}".rstrip())

    print(f"{'':16}" + "".join(f"{head:>11}" for head in NAMES.values()))
    if result["kmeans"] is not None:
        line("k-means", result["kmeans"])
    name = "oracle" if result["uses_labels"] else "SCAN"
    line(name, result["after_clustering"])
    if (result["self_labelling"] or {}).get("epochs"):
        line("+ self-labelling", result)
    if result["acc_majority"] is not None:
        share = 100 * result["acc_majority"]
        print(f"many clusters to one class: {share:.1f} %")
    protocol = result["protocol"]
    print(
        f"matched on {protocol['matched_on']}, "
        f"{protocol['num_queries']:,} images; epoch: {protocol['epoch']}"
    )


def _print_end(labelled: dict[str, Any] | None) -> None:
    """How long self-labelling went on, and why no longer."""
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
        f"{100 * labelled['confident']:.1f} % confident at the end"
    )


def print_files(directory: ClusterDirectory, result: dict[str, Any]) -> None:
    """Names what the clustering wrote."""
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
