"""Tell what a training step costs on more replicas: time, bytes, memory.

    python -m benchmarks.scaling [--backbone=resnet18] [--output=scaling.json]

Two tables. The first is measured: steps a second on 1, 2 and 4 GPUs or, where
there is none, on so many logical devices of the CPU, and the share of a step
that goes into communication, which is what a step takes less what it takes
where no replica hears of the others, over the former. No XLA in either, no
input pipeline: images are there already.

The second is computed, for numbers of replicas that are not at hand: bytes
that a step brings to each replica, where tensors go round a ring, from the
tensors that a traced step of that network names with 2 and with 3 replicas;
and the memory of the bank.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from and_tf.sweeping.table import aligned
from and_tf.utils import atomic_files, cli, paths
from and_tf.utils.averages import percent
from benchmarks.gpu.setting import find_gpus
from benchmarks.harness import processes, tables, turns
from benchmarks.harness.comparison import Comparison, Side
from benchmarks.speed import scaling, sides
from benchmarks.speed.traffic import Traffic

_REPLICAS = flags.DEFINE_multi_integer(
    "replicas",
    [1, 2, 4],
    "Number of replicas to time. Give the flag again for another number.",
    lower_bound=1,
)
_BACKBONE = flags.DEFINE_string(
    "backbone", "small", "Encoder whose training step is timed."
)
_IMAGE_SIZE = flags.DEFINE_integer(
    "image_size", 32, "Side of an image in the timed step, in pixels."
)
_EXAMPLES = flags.DEFINE_integer(
    "num_examples",
    50_000,
    "Number of rows of the memory bank in the timed step.",
)
_BATCH = flags.DEFINE_integer(
    "batch_size", 32, "Number of images of each replica in the timed step."
)
_STEPS = flags.DEFINE_integer(
    "steps", 20, "Number of steps that are timed, of which the median counts."
)
_COUNTED = flags.DEFINE_multi_enum(
    "counted", ["cifar10", "imagenet"], ["cifar10", "imagenet", "none"],
    "Data set whose traffic the second table computes; none leaves the table "
    "out. Give the flag again for another data set.",
)  # fmt: skip
_OUTPUT = paths.define(
    "output",
    "",
    "JSON file to write the figures to. If empty, they are only printed.",
)

DIM = 128
BATCH = 128  # Images a replica, where bytes are computed.
FEW, MANY = (2, 3), (8, 64, 512)
# Of the second table: its title, and what is trained.
SETTINGS = {
    "cifar10": ("CIFAR-10, ResNet18", "resnet18", 32, 50_000),
    "imagenet": ("ImageNet, ResNet50", "resnet50", 224, 1_281_167),
}


def main(argv: Sequence[str]) -> None:
    """Print the tables, each as soon as it is known."""
    del argv
    if _OUTPUT.value:
        paths.check_output("output", pathlib.Path(_OUTPUT.value))
    timed, computed = time_steps(), []
    for name in _COUNTED.value:
        if name != "none":
            computed += compute(*SETTINGS[name])
    if _OUTPUT.value:
        found = {"timed": timed, "computed": computed}
        atomic_files.write_json(pathlib.Path(_OUTPUT.value), found)


def time_steps() -> dict[str, Any]:
    """Measure steps, with exchanges and without, and print the first table.

    Returns:
        What the file of such a comparison has, see `harness.record`.
    """
    gpus = len(find_gpus())
    replicas = [r for r in _REPLICAS.value if r <= (gpus or r)]
    if len(replicas) < len(_REPLICAS.value):
        print(f"no more than {gpus} GPUs here")
    task = {
        "backbone": _BACKBONE.value,
        "image_size": _IMAGE_SIZE.value,
        "num_examples": _EXAMPLES.value,
        "batch_size": _BATCH.value,
        "steps": _STEPS.value,
    }
    told = ", ".join(f"{name} {value}" for name, value in task.items())
    ours = Side("and_tf", scaling.step)
    alone = Side("without exchanges", scaling.step, {"alone": True},
                 alike=False, note="less work: a bound")  # fmt: skip
    comparison = Comparison(
        name="scaling",
        title="A step on several replicas",
        does=f"The median of some steps: {told}; a batch is a replica's.",
        unit="ms",
        sides=[ours, alone],
        cases=scaling.cases(replicas, **task),
        repeats=1,
    )
    found = turns.measure(comparison, "python -m benchmarks.scaling")
    print(f"{tables.section(found)}\n{speeds(comparison, found)}")
    if not gpus:
        print(
            "Replicas are parts of one CPU and share its cores: steps/s cannot "
            "rise with\ntheir number. Shares are those of copies in memory and "
            "of waiting, no network.\n",
            flush=True,
        )
    return found


def speeds(comparison: Comparison, found: Mapping[str, Any]) -> str:
    """Write the first table."""
    table = [["", "steps/s", "images/s", "in communication"]]
    for case, measured in zip(comparison.cases, found["cases"], strict=True):
        (taken,), (alone,) = (side["figures"] for side in measured["sides"])
        replicas = case.arguments["replicas"]
        speed = 1e3 / taken
        images = speed * replicas * case.arguments["batch_size"]
        share = percent(1 - alone / taken if replicas > 1 else 0)
        table.append([case.title, f"{speed:.2f}", f"{images:,.0f}", share])
    return aligned(table)


def compute(
    title: str, backbone: str, image_size: int, num_examples: int
) -> list[dict[str, Any]]:
    """Compute and print the second table of one training.

    Returns:
        A dict a row.
    """
    rows = []
    for shard in (False, True):
        found = count(shard, backbone, image_size)
        for replicas in MANY:
            gradients, embeddings = found.received(replicas)
            held = -(-num_examples // (replicas if shard else 1))
            rows.append(
                {
                    "setting": title,
                    "replicas": replicas,
                    "sharded": shard,
                    "gradient_bytes": gradients,
                    "embedding_bytes": embeddings,
                    "bank_bytes": held * DIM * 4,
                }
            )
    heads = ["gradients", "embeddings", "total", "bank on each"]
    table = [["replicas", "bank", *heads]]
    for row in rows:
        both = row["gradient_bytes"], row["embedding_bytes"]
        bytes_ = *both, sum(both), row["bank_bytes"]
        table.append(
            [str(row["replicas"]), "sharded" if row["sharded"] else "whole",
             *(f"{one / sides.MEBI:.1f}" for one in bytes_)]
        )  # fmt: skip
    print(
        f"Computed: {title}, {BATCH} images a replica, D = {DIM}, "
        f"N = {num_examples:,};\nMiB that each replica receives in a step, and "
        f"MiB of the bank:\n\n{aligned(table)}",
        flush=True,
    )
    return rows


def count(shard: bool, backbone: str, image_size: int) -> Traffic:
    """Return the traffic of a training, from steps that are traced."""
    counts = [
        processes.call(
            scaling.count_exchanges,
            replicas=replicas,
            shard=shard,
            backbone=backbone,
            image_size=image_size,
            # Nothing that is exchanged depends on it; a bank of ImageNet's
            # size would only take memory.
            num_examples=10_000,
            batch_size=BATCH,
        )
        for replicas in FEW
    ]
    return Traffic.of_two(*zip(FEW, counts, strict=True))


if __name__ == "__main__":
    cli.run(main)
