"""Write benchmarks/PEERS.md from the files of trainings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from and_tf.sweeping.table import aligned
from and_tf.utils.averages import mean_deviation, percent
from benchmarks.harness import tables
from benchmarks.harness.tables import File
from benchmarks.peers.budget import Budget
from benchmarks.peers.setting import OURS, SPLITS, TITLES

INTRODUCTION = """\
# Instance learning beside other methods

Written by `python -m benchmarks.peers --page` from
`benchmarks/results/peers/*.json`; a test holds it to them. `make bench-peers`
installs what is compared with, [lightly](https://github.com/lightly-ai/lightly)
and PyTorch, which runs on the CPU, in an environment of its own.

CIFAR-10 without labels, from scratch, on two CPU cores. What do other methods
give in the same minutes, on the same cores, with the same network? And what do
they give after as many views of images?

- **Network.** `small` at 1.5 times its width with 384 pooled features, by Keras
  here and by PyTorch there, channels last; before a comparison both compute the
  same features from the same weights, within 1e-5. Its first weights are drawn
  from the same distributions.
- **Ours.** `configs/cifar10_quarter_hour.flags` with as many epochs as fit. It
  was chosen on the held-out images of CIFAR-10 for this network and a quarter
  of an hour; the peers' settings were chosen by others, for a ResNet18 and 200
  epochs or more. A comparison of settings that were all chosen for these
  minutes this is not.
- **The peers.** Heads, losses, optimisers, rates and transforms of lightly's
  benchmark on CIFAR-10, with batches of 128 images unless a row says otherwise,
  and rates that follow the batch by its rule. VICReg is not in it: its settings
  are those of lightly's benchmark on Imagenette. Different from there are the
  network; rates that fall in each step and not after each epoch; the warm-up of
  VICReg, a tenth of the steps as there 20 of 200 epochs; no blur in its views,
  as in those of the others at 32 pixels; images in memory and not in files. No
  part of the heads was made smaller for the smaller network.
- **Views.** `lightly` is its own transforms, by Pillow and image by image;
  `fast` is the same recipes on whole batches in PyTorch, which differ in an
  order of the colours' changes for a batch instead of an image, in values that
  are not rounded in between and crops that are not rounded to pixels. Whether
  the training itself or other processes make them is what was fastest in a
  measurement of some seconds beforehand. The share of the time is told in which
  the training made views or waited for them; the first of these trainings did
  not keep it. In trainings of 24 seconds it was 4 % with fast views that the
  training itself made, and 1 % with those of other processes. A step of a peer
  is two views of each image, one of ours is one.
- **Time.** Of the training alone: start-up (with the first fill of our memory
  bank, a pass over the images), the measurement of the speed, and the
  evaluation come on top for all. Steps or epochs are as many as fit by the
  measured speed, and each schedule ends with them, so that 10 and 30 minutes
  are separate trainings. The seconds that it took in the end are told.
- **Evaluation.** kNN, K = 200, τ = 0.1, among the clean training images at 32
  pixels. *Plain* are a peer's pooled features, as lightly evaluates them, and
  our embedding as it was learnt (the recipe's `--rewhiten` is left out).
  *Whitened* are the pooled features of all after a PCA of the training images'
  to 256 components of equal variance, which needs no label and is no part of
  any of the methods.
"""
NOT_RUN = "not run yet\n"
QUERIES = {
    "held_out": "5,000 training images that were held out",
    "test": "the test split",
}


def render(found: Sequence[File]) -> str:
    """Write the whole page.

    Args:
        found: The files of trainings.
    """
    parts = [
        _section(split, unit, chosen)
        for split in SPLITS
        for unit in ("minutes", "million_views")
        if (chosen := chosen_of(found, split, unit))
    ]
    return "\n".join([INTRODUCTION, *(parts or [NOT_RUN])])


def chosen_of(found: Iterable[File], split: str, unit: str) -> list[File]:
    """Return the files of a split and a unit, ours first."""
    order = list(TITLES)
    return sorted(
        (
            file
            for file in found
            if file["split"] == split and file["budget"]["unit"] == unit
        ),
        key=lambda file: (
            order.index(file["side"]),
            name_of(file),
            file["budget"]["amount"],
            file["seed"],
        ),
    )


def name_of(file: File) -> str:
    """Return what a side is called: "SimCLR, fast views of 24 pixels"."""
    title = TITLES[file["side"]]
    if file["side"] == OURS:
        return title
    parts = [title, f"{file['views']} views"]
    if file["view_size"] != file["protocol"]["image_size"]:
        parts[-1] += f" of {file['view_size']} pixels"
    if file["batch_size"] != 128:
        parts.append(f"batches of {file['batch_size']}")
    return ", ".join(parts)


def amounts_of(files: Iterable[File]) -> list[float]:
    """Return the budgets that there are, the smallest first."""
    return sorted({file["budget"]["amount"] for file in files})


def accuracy(
    files: Iterable[File], name: str, amount: float, kind: str
) -> tuple[float | None, float | None]:
    """Return the mean and the deviation over seeds; None where there is none.

    Args:
        files: Of one split and unit.
        name: From `name_of`.
        amount: Of the budget.
        kind: "plain" or "whitened".
    """
    return mean_deviation(
        file["knn"][kind]
        for file in files
        if name_of(file) == name and file["budget"]["amount"] == amount
    )


def _section(split: str, unit: str, files: Sequence[File]) -> str:
    by = "minutes" if unit == "minutes" else "views"
    return (
        f"## Equal {by}, {QUERIES[split]}\n\n"
        f"kNN of {QUERIES[split]} (`--split={split}`), in percent.\n\n"
        f"{_figures(unit, files)}\n"
        f"![]({picture(split, unit)})\n\n"
        f"{_details(files)}\n{_circumstances(files)}\n"
    )


def picture(split: str, unit: str) -> str:
    """Return the file name of a section's picture."""
    return f"peers_{split}_{unit}.png"


def _figures(unit: str, files: Sequence[File]) -> str:
    amounts = amounts_of(files)
    head = [""]
    for amount in amounts:
        title = Budget(unit, amount).title
        head += [f"{title}, plain", f"{title}, whitened"]
    table = [head]
    for name in dict.fromkeys(map(name_of, files)):
        row = [name]
        for amount in amounts:
            for kind in ("plain", "whitened"):
                mean, deviation = accuracy(files, name, amount, kind)
                row.append(percent(mean, 1, deviation).removesuffix(" %"))
        table.append(row)
    return aligned(table)


def _details(files: Sequence[File]) -> str:
    table = [
        ["", "budget", "seed", "seconds", "epochs", "million views", "batch",
         "views' share of the time", "processes for views"]
    ]  # fmt: skip
    for file in files:
        table.append(
            [
                name_of(file),
                Budget(**file["budget"]).title,
                str(file["seed"]),
                f"{file['seconds']:.0f}",
                f"{file['epochs']:.1f}",
                f"{file['views_seen'] / 1e6:.2f}",
                str(file["batch_size"]),
                percent(file.get("views_share"), 0),
                str(file.get("pace", {}).get("workers", "")),
            ]
        )
    return aligned(table)


def _circumstances(files: Sequence[File]) -> str:
    """Say once what all share, and the command of each."""
    versions: dict[str, str] = {}
    for file in files:
        versions |= file["versions"]
    machines = dict.fromkeys(tables.machine(f["machine"]) for f in files)
    dates = dict.fromkeys(sorted(file["date"] for file in files))
    commands = "\n".join(dict.fromkeys(file["command"] for file in files))
    subsets = {file["max_train_examples"] for file in files} - {0}
    warning = (
        "**On a few images only, to see it work: no result.** "
        if subsets
        else ""
    )
    return (
        f"{warning}{'; '.join(machines)}; {tables.versions(versions)}; "
        f"{', '.join(dates)}.\n\n```text\n{commands}\n```\n"
    )
