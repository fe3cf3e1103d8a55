"""Write benchmarks/GPU.md from the files of figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from and_tf.sweeping.metrics import NONE as MISSING
from and_tf.sweeping.metrics import percent
from and_tf.sweeping.table import aligned
from and_tf.utils import averages
from benchmarks import results_page
from benchmarks.gpu.arithmetic import PEAKS, peak_of
from benchmarks.gpu.levels import LEVELS, Level
from benchmarks.harness import tables
from benchmarks.harness.tables import File

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


def render(cards: Sequence[File], results: Mapping[str, File]) -> str:
    """Write the whole page.

    Args:
        cards: The files of cards.
        results: The result files of runs, by their names.
    """
    parts = [INTRODUCTION, "## Speed, `smoke`\n"]
    parts += [_card(card) for card in cards] or [NOT_RUN]
    for level in LEVELS.values():
        parts.append(f"## Accuracy, `{level.name}`\n")
        parts.append(_level(level, results.get(level.file_name)))
    return "\n".join([*parts, _peaks()])


def _card(card: File) -> str:
    """Write the section of one kind of card."""
    count = f"{card['devices']} × " if card["devices"] > 1 else ""
    return "\n".join(
        [
            f"### {count}{card['card']}\n",
            _rates(card),
            _losses(card),
            _epoch(card),
            f"{tables.machine(card['machine'])}; "
            f"{tables.versions(card['versions'])}; seed {card['seed']}; "
            f"{card['date']}; `{card['command']}`.\n",
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
                averages.percent(share, missing=MISSING),
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
    """Write how far the losses of the two precisions lie apart."""
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
    table.append(["apart", *(averages.percent(x, 2) for x in apart)])
    return (
        f"The same images, views and first weights, {usual} a step:\n\n"
        f"{aligned(table)}"
    )


def _epoch(card: File) -> str:
    """Write where the time of an epoch goes."""
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
        f"at kNN {percent([run['knn_top1_last']])} "
        f"(K = {run['protocol']['K']}, clean gallery).\n"
    )


def _round(run: File) -> str:
    steps = run["round_epochs"] * run["epoch_seconds"]
    return (
        f"A whole round (its epochs: {run['round_epochs']}), with its "
        f"discovery and evaluations, took {run['round_seconds']:.1f} s; "
        f"{steps:.1f} s of these are training steps.\n\n"
    )


def _level(level: Level, file: File | None) -> str:
    """Write the runs of a level below the paper's figure."""
    row = level.row
    figure = f"{row['published']} {row['measure']}"
    published = f"{row['where']}, {row['what']}: {figure}.\n\n"
    if file is None:
        return published + NOT_RUN
    return published + results_page.section(level.file_name, file, ())


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
