"""Prints how a fine-tuning begins, and how it ended."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from and_tf.distribution.process_group import ProcessGroup
from and_tf.finetuning.config import FinetuneConfig
from and_tf.finetuning.experiment import FinetuneDirectory, Finetuning
from and_tf.finetuning.labelling import Labelled
from and_tf.finetuning.scoring import NAMES, SCRATCH, TUNED, top1
from and_tf.training import result_file
from and_tf.training import results as training_results
from and_tf.training.run import Run
from and_tf.utils.averages import percent

_MOST_CLASSES = 20  # Of more, only the worst are printed.


def print_start(
    config: FinetuneConfig,
    source: Run,
    labelled: Labelled,
    processes: ProcessGroup,
) -> None:
    """Prints the run, the devices, and which labels are used."""
    described = dataclasses.replace(source.config, precision=config.precision)
    training_results.print_start(source.images, described, {}, processes)
    print(f"encoder of {source.directory.path} after {source.epochs} epochs")
    print(
        f"{labelled.used:,} of {labelled.available:,} labels of "
        f"{labelled.source}, {len(labelled.class_names)} classes: "
        f"{labelled.learn.size:,} to learn from, {labelled.held_out.size:,} "
        "held out to choose by"
    )
    if labelled.left_out:
        print(f"{labelled.left_out:,} test images of other classes left out")
    if labelled.test is None:
        print("no labelled test images, so only held-out images are counted")
    print(end="", flush=True)


def print_head(
    training: Finetuning, head: tuple[np.ndarray, np.ndarray]
) -> None:
    """Prints the accuracy of the linear head on the held-out images."""
    split = training.labelled.held_out
    kernel, bias = head
    logits = training.features(split) @ kernel + bias
    print(
        f"linear head: held-out {100 * top1(logits, split):.1f} %", flush=True
    )


def show(directory: FinetuneDirectory, result: dict[str, Any]) -> None:
    """Prints the results of a finished fine-tuning and the files it wrote."""
    with result_file.using(directory.result):
        print_table(result)
        print_files(directory, result)


def print_table(result: dict[str, Any]) -> None:
    """Prints a line for each classifier, its calibration, and the classes."""
    print(f"\n{'':14}{'test top-1':>11}{'held-out':>11}   epoch")
    for key, name in NAMES.items():
        row = result[key]
        if row is None:
            continue
        top1 = "" if row["test_top1"] is None else percent(row["test_top1"])
        epoch = "weights as they were"
        if "epochs" in row:
            epoch = f"{row['best_epoch']} of {row['epochs']}"
        held = percent(row["held_out_top1"])
        print(f"{name:14}{top1:>11}{held:>11}   {epoch}")
    row, labels = result[TUNED], result["labels"]
    print(
        f"{labels['used']:,} labels; the {labels['held_out']:,} held-out "
        "images chose epoch and temperature, test images nothing"
    )
    text = f"temperature {row['temperature']:.2f}"
    if row["ece"] is not None:
        text += (
            ", expected calibration error "
            f"{percent(row['ece_uncalibrated'])} before, "
            f"{percent(row['ece'])} after"
        )
    print(text)
    if result["per_class"] is not None:
        _print_classes(result)


def _print_classes(result: dict[str, Any]) -> None:
    """Prints the accuracy of each class and its most frequent mistake."""
    names, shares = result["class_names"], result["per_class"]
    shown = [n for n, share in enumerate(shares) if share is not None]
    if len(shown) > _MOST_CLASSES:
        shown = sorted(shown, key=lambda n: shares[n])[:_MOST_CLASSES]
        print(f"\nthe {_MOST_CLASSES} classes with the lowest figures")
    else:
        print()
    width = max(len("class"), *(len(names[n]) for n in shown))
    print(f"{'class':{width}}{'images':>9}{'top-1':>9}   most often taken for")
    for number in shown:
        row = np.array(result["confusion"][number])
        total, row[number] = row.sum(), 0
        wrong = int(row.argmax())
        taken = f"{names[wrong]} ({row[wrong]})" if row[wrong] else ""
        print(
            f"{names[number]:{width}}{total:>9,}"
            f"{percent(shares[number]):>9}   {taken}".rstrip()
        )


def print_files(directory: FinetuneDirectory, result: dict[str, Any]) -> None:
    """Prints the names of the files that the fine-tuning wrote."""
    confusion = f"{directory.confusion.name}: classes by answers"
    scratch = "scratch/: the training from scratch"
    print(f"\nwrote {directory.path}/")
    for text in (
        f"{directory.classifier.name}: the classifier, for Keras alone",
        *([confusion] if result["confusion"] is not None else []),
        f"{directory.curves.name}: the curves of the fine-tuning",
        "result.json: the figures, with their protocol",
        "metrics.csv: one row for each epoch",
        *([scratch] if result[SCRATCH] is not None else []),
        "checkpoints/, linear_head.npz, flags.cfg",
        f"tensorboard/: tensorboard --logdir {directory.path}",
    ):
        print(f"  {text}")
