"""benchmarks/GPU.md, from the files of figures."""

from __future__ import annotations

import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from and_tf.sweeping.metrics import NONE as MISSING
from and_tf.sweeping.metrics import known, percent
from and_tf.sweeping.table import aligned
from and_tf.utils import atomic_files
from benchmarks import result_files
from benchmarks.gpu import record
from benchmarks.gpu.levels import AND, LEVELS, Level
from benchmarks.gpu.peaks import PEAKS, peak_of

PAGE = result_files.HERE / "GPU.md"
INTRODUCTION = """\
# On a GPU

Written by `python -m benchmarks.gpu` from `benchmarks/results/gpu/*.json` and
`benchmarks/results/gpu_*.json`; a test holds it to them. With one GPU,

```
python -m benchmarks.gpu --level=smoke        # minutes: speed
python -m benchmarks.gpu --level=published    # 50 epochs a round
python -m benchmarks.gpu --level=paper        # 200 epochs a round, three seeds
```

The last two train AND, and instance learning alone for as many epochs, on
CIFAR-10 with a ResNet18, as long as the paper does. They say first, after a
few epochs, how many minutes and how much disk space they need. Each command
goes on where it was interrupted. `--minutes=60` ends it after an hour, with
everything kept.
"""
NOT_RUN = "Not run here: no GPU was at hand.\n"
PARTS = {
    "embed_test": "embedding the test images",
    "knn": "kNN, K = 200, test images against the memory bank",
    "embed_train": "embedding the training images",
    "discovery": "a refresh: every image's neighbour, k = 1, and entropy",
    "checkpoint": "writing a checkpoint",
}
File = Mapping[str, Any]


def write(results: pathlib.Path, page: pathlib.Path) -> None:
    """Writes the page.

    Args:
        results: The directory of result files, as benchmarks/results.
        page: The page's file.
    """
    cards = record.read_all(results / record.RESULTS.name)
    atomic_files.write_text(page, render(cards, result_files.read_all(results)))


def render(cards: Sequence[File], results: Mapping[str, File]) -> str:
    """Returns the whole page.

    Args:
        cards: From `record.read_all`.
        results: From `result_files.read_all`.
    """
    parts = [INTRODUCTION, "## Speed, `smoke`\n"]
    parts += [_card(card) for card in cards] or [NOT_RUN]
    for level in LEVELS.values():
        parts.append(f"## Accuracy, `{level.name}`\n")
        parts.append(_level(level, results.get(record.file_name(level.name))))
    return "\n".join([*parts, _peaks()])


def _card(card: File) -> str:
    """Writes the section of one kind of card."""
    count = f"{card['devices']} × " if card["devices"] > 1 else ""
    versions = ", ".join(f"{n} {v}" for n, v in card["versions"].items())
    machine = card["machine"]
    return "\n".join(
        [
            f"### {count}{card['card']}\n",
            _rates(card),
            _losses(card),
            _epoch(card),
            f"{machine['cores']} cores of {machine['processor']}; {versions}; "
            f"seed {card['seed']}; {card['date']}; `{card['command']}`.\n",
        ]
    )


def _rates(card: File) -> str:
    table = [["precision", "images a step", "images/s", "share of the peak"]]
    told = []
    for row in card["rates"]:
        rate, share = row["images_per_second"], row["share_of_peak"]
        table.append(
            [
                row["precision"],
                str(row["batch_size"]),
                f"{rate:,.0f}" if rate else "not measured",
                MISSING if share is None else f"{100 * share:.1f} %",
            ]
        )
        if row["failure"]:
            told.append(
                f"{row['precision']}, {row['batch_size']}: {row['failure']}\n"
            )
    flops = card["training_flops_an_image"]
    if flops:
        text = f"{flops / 1e9:.2f} GFLOP an image in a training step"
        told.append(f"{text}: convolutions and dense layers alone.\n")
    if peak_of(card["card"]) is None:
        told.append(
            f"No share of a peak: that of {card['card']} is not in the table "
            "at the end of this page.\n"
        )
    return "\n".join(["Training steps:\n", aligned(table), *told])


def _losses(card: File) -> str:
    """Returns how far the losses of the two precisions lie apart."""
    usual = card["rates"][0]["batch_size"]
    losses = {
        row["precision"]: row["losses"]
        for row in card["rates"]
        if row["batch_size"] == usual and row["losses"]
    }
    if len(losses) < 2:
        return "Losses of two precisions: not measured.\n"
    steps = card["steps_an_epoch"]
    count = len(next(iter(losses.values())))
    heads = [f"to step {steps * (i + 1)}" for i in range(count)]
    table = [["mean loss", *heads]]
    for name, values in losses.items():
        table.append([name, *(f"{value:.4f}" for value in values)])
    apart = [max(x) / min(x) - 1 for x in zip(*losses.values(), strict=True)]
    table.append(["apart", *(f"{100 * value:.2f} %" for value in apart)])
    return (
        f"The same images, views and first weights, {usual} a step:\n\n"
        f"{aligned(table)}"
    )


def _epoch(card: File) -> str:
    """Returns where the time of an epoch goes."""
    run, parts = card["run"], card["parts"]
    if run is None:
        return "A whole run: not measured.\n"
    table = [["part of an epoch", "seconds"]]
    table.append(["training steps", f"{run['epoch_seconds']:.2f}"])
    for name, title in PARTS.items():
        if parts and name in parts:
            table.append([title, f"{parts[name]:.2f}"])
    told = (
        f"{run['dataset']}, {run['backbone']}, {run['num_examples']:,} images, "
        f"{card['precision']}, the median of the epochs after the first; with "
        "one device but for the steps:\n\n"
        f"{aligned(table)}\n"
    )
    if run["round_seconds"] is not None:
        told += _round(run)
    return told + (
        f"The run of {run['epochs']} epochs took {run['seconds']:.0f} s with "
        f"compilation, at {run['images_per_second']:,.0f} images/s, and ends "
        f"at kNN {_accuracy(run)} (K = {run['protocol']['K']}, clean "
        "gallery).\n"
    )


def _round(run: File) -> str:
    steps = run["round_epochs"] * run["epoch_seconds"]
    return (
        f"A whole round (its epochs: {run['round_epochs']}), with its "
        f"discovery and evaluations, took {run['round_seconds']:.1f} s; "
        f"{steps:.1f} s of these are training steps.\n\n"
    )


def _accuracy(run: File) -> str:
    return percent([run["knn_top1_last"]])


def _level(level: Level, file: File | None) -> str:
    """The runs of a level beside the paper's figure."""
    row = level.row
    figure = f"{row['published']} {row['measure']}"
    paper = f"{row['where']}, {row['what']}: {figure}.\n\n"
    if file is None:
        return paper + NOT_RUN
    heads = ["best epoch, bank", "last epoch, clean", "images/s", "minutes"]
    table = [["", "seeds", *heads]]
    table += [_runs(one) for one in file["rows"]]
    published = [f"published, {row['where']}", "", str(row["published"])]
    table.append([*published, "", "", ""])
    return f"{paper}{aligned(table)}\n{_circumstances(file)}"


def _runs(row: Mapping[str, Any]) -> list[str]:
    """The cells of what was trained with all seeds alike."""
    figures = row["figures"]
    rates = known(row["images_per_second"])
    return [
        "AND" if row["values"]["selection"] == AND else "instance learning",
        ", ".join(map(str, row["seeds"])),
        percent(figures.get("knn_top1_best", [])),
        percent(figures.get("knn_top1_last", [])),
        f"{statistics.fmean(rates):,.0f}" if rates else MISSING,
        f"{statistics.fmean(row['seconds']) / 60:.1f}",
    ]


def _circumstances(file: File) -> str:
    cards = {
        name: None
        for machine in file["machines"]
        for name in machine.get("gpu_names", ["no GPU"])
    }
    protocol = file["protocol"]
    return (
        f"{file['note']}\n\n{', '.join(cards)}, {file['precision']}; "
        f"{protocol['classifier']}, K = {protocol['K']}, "
        f"τ = {protocol['temperature']:g}, queries {protocol['queries']}; "
        f"TensorFlow {file['versions']['tensorflow']}; {file['date']}.\n"
    )


def _peaks() -> str:
    table = [["card", "bfloat16", "float32"]]
    for model, peak in PEAKS.items():
        least = MISSING if peak.bfloat16 is None else f"{peak.bfloat16:g}"
        table.append([model, least, f"{peak.float32:g}"])
    return (
        "## Peaks that shares are of\n\nTFLOP/s of dense products, by NVIDIA's "
        "data sheets; float32 is TF32 on\ncards that have it.\n\n"
        f"{aligned(table)}"
    )
