"""What a training step costs on more replicas: time, bytes, memory.

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

import dataclasses
import json
import os
import pathlib
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from absl import flags

from and_tf.utils import atomic_files, cli, paths
from and_tf.utils.errors import InputError
from benchmarks.traffic import Exchange, Traffic

_REPLICAS = flags.DEFINE_multi_integer(
    "replicas", [1, 2, 4], "Numbers of replicas that are timed.", lower_bound=1
)
_BACKBONE = flags.DEFINE_string("backbone", "small", "What is timed.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", 32, "Side of its images.")
_EXAMPLES = flags.DEFINE_integer("num_examples", 50_000, "N where timed.")
_BATCH = flags.DEFINE_integer("batch_size", 32, "Images a replica, timed.")
_STEPS = flags.DEFINE_integer("steps", 20, "Timed; their median counts.")
_COUNTED = flags.DEFINE_multi_enum(
    "counted", ["cifar10", "imagenet"], ["cifar10", "imagenet", "none"],
    "Data sets of the second table.",
)  # fmt: skip
_OUTPUT = paths.define("output", "", "Where the figures go, as JSON.")

DIM = 128
BATCH = 128  # Images a replica, where bytes are computed.
FEW, MANY = (2, 3), (8, 64, 512)
MEBI = 2**20


@dataclasses.dataclass(frozen=True)
class Setting:
    """A training of the second table."""

    title: str
    backbone: str
    image_size: int
    num_examples: int


SETTINGS = {
    "cifar10": Setting("CIFAR-10, ResNet18", "resnet18", 32, 50_000),
    "imagenet": Setting("ImageNet, ResNet50", "resnet50", 224, 1_281_167),
}


def main(argv: Sequence[str]) -> None:
    """Prints the tables, a line as soon as it is known."""
    del argv
    if _OUTPUT.value:
        paths.check_output("output", pathlib.Path(_OUTPUT.value))
    figures = {"machine": machine(), "timed": [], "computed": []}
    print(", ".join(f"{v}" for v in figures["machine"].values()))
    figures["timed"] += timed()
    for name in _COUNTED.value:
        if name != "none":
            figures["computed"] += computed(SETTINGS[name])
    if _OUTPUT.value:
        atomic_files.write_json(pathlib.Path(_OUTPUT.value), figures)


def machine() -> dict[str, Any]:
    """What the figures were had on."""
    model = platform.processor() or platform.machine()
    information = pathlib.Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text(encoding="utf-8").splitlines()
        names = [x.split(":")[1].strip() for x in lines if "model name" in x]
        model = names[0] if names else model
    return {"cpu": model, "cores": f"{os.cpu_count()} cores"}


def timed() -> Iterator[dict[str, Any]]:
    """Prints and gives the rows of the first table."""
    print(
        f"\nmeasured: {_BACKBONE.value}, {_IMAGE_SIZE.value} pixels, "
        f"{_BATCH.value} images a replica, N = {_EXAMPLES.value:,}, median of "
        f"{_STEPS.value} steps\n"
        "replicas  bank      steps/s  images/s  in communication",
        flush=True,
    )
    on_cpu = False
    for replicas in _REPLICAS.value:
        for shard in (False, True)[: min(replicas, 2)]:
            row = _time(replicas, shard)
            print(_line(row), flush=True)
            on_cpu = on_cpu or any("CPU" in name for name in row["devices"])
            yield row
    if on_cpu:
        print(
            "Replicas are parts of one CPU and share its cores: steps/s cannot "
            "rise with\ntheir number. Shares are those of copies in memory and "
            "of waiting, no network."
        )


def _time(replicas: int, shard: bool) -> dict[str, Any]:
    found = measure(
        measure="time",
        replicas=replicas,
        shard=shard,
        backbone=_BACKBONE.value,
        image_size=_IMAGE_SIZE.value,
        num_examples=_EXAMPLES.value,
        batch_size=_BATCH.value,
        steps=_STEPS.value,
    )
    row = {"replicas": replicas, "sharded": shard, **found}
    if found["devices"]:
        seconds, alone = found["seconds"], found["seconds_alone"]
        row["steps_per_second"] = 1 / seconds
        row["images_per_second"] = replicas * _BATCH.value / seconds
        row["communication"] = 0.0 if replicas == 1 else 1 - alone / seconds
    return row


def _line(row: dict[str, Any]) -> str:
    start = f"{row['replicas']:8}  {'sharded' if row['sharded'] else 'whole':7}"
    if not row["devices"]:
        return f"{start}  not so many GPUs here"
    return (
        f"{start} {row['steps_per_second']:9.2f} "
        f"{row['images_per_second']:9,.0f} {100 * row['communication']:15.1f} %"
    )


def computed(setting: Setting) -> Iterator[dict[str, Any]]:
    """Prints and gives the rows of the second table of one training."""
    print(
        f"\ncomputed: {setting.title}, {BATCH} images a replica, D = {DIM}, "
        f"N = {setting.num_examples:,}\n"
        "replicas  bank     MiB received by each replica in a step   MiB of "
        "the bank\n"
        "                    gradients  embeddings         total    on each",
        flush=True,
    )
    for shard in (False, True):
        traffic = count(setting, shard)
        for replicas in MANY:
            gradients, embeddings = traffic.received(replicas)
            rows = -(-setting.num_examples // (replicas if shard else 1))
            row = {
                "setting": setting.title,
                "replicas": replicas,
                "sharded": shard,
                "gradient_bytes": gradients,
                "embedding_bytes": embeddings,
                "bank_bytes": rows * DIM * 4,
            }
            print(
                f"{replicas:8}  {'sharded' if shard else 'whole':7}"
                f"{gradients / MEBI:12.1f}{embeddings / MEBI:12.1f}"
                f"{(gradients + embeddings) / MEBI:14.1f}"
                f"{row['bank_bytes'] / MEBI:11.1f}",
                flush=True,
            )
            yield row


def count(setting: Setting, shard: bool) -> Traffic:
    """The traffic of a setting, from steps that were traced."""
    counts = []
    for replicas in FEW:
        found = measure(
            measure="bytes",
            replicas=replicas,
            shard=shard,
            backbone=setting.backbone,
            image_size=setting.image_size,
            # Nothing that is exchanged depends on it; a bank of ImageNet's
            # size would only take memory.
            num_examples=10_000,
            batch_size=BATCH,
            steps=0,
        )
        counts.append((replicas, [Exchange(*e) for e in found["exchanges"]]))
    return Traffic.of_two(*counts)


def measure(**task: Any) -> dict[str, Any]:
    """Has a process measure something, see `scaling_process.Task`.

    Raises:
        InputError: If it fails, with what it said.
    """
    text = json.dumps({"embedding_dim": DIM, **task})
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scaling_process", f"--task={text}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise InputError(
            f"Expected to measure {text}. Received: {done.stderr[-2000:]}"
        )
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    cli.run(main)
