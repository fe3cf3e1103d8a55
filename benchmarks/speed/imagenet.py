"""Compute ImageNet on 1, 8 and 64 GPUs from what was measured here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from and_tf.sweeping.table import aligned
from benchmarks.harness.comparison import best_of
from benchmarks.harness.tables import number

ROWS, DIM, BATCH, K = 1_281_167, 128, 128, 1  # Batch: images a GPU.
# Multiplications and additions of an image's forward pass, and twice as many
# backward: ResNet18 with the CIFAR stem at 32 pixels, ResNet50 at 224.
RESNET18, RESNET50 = 3 * 2 * 0.557e9, 3 * 2 * 4.09e9
PARAMETERS = 23_770_000  # ResNet50 without classes, with a projection to 128.
GPUS = (1, 8, 64)
# What is assumed: a GPU's large products, float32 or TF32; and what each
# receives a second from its neighbour in a ring, the slowest link counting.
FLOPS = 100e12
LINK = {1: float("inf"), 8: 100e9, 64: 12.5e9}

TEXT = """\
## ImageNet, on paper

Computed from the figures above, not run: no GPU was there. Here, on a CPU, a
ResNet18 step comes to {network:.0%} of what a product of matrices reaches, the
N-way loss to {loss:.0%} of its two products, a refresh (k = 1) to {search:.0%}
of its one. A GPU of 100 TFLOP/s in large products, that is used as well as
these cores are, would take for ResNet50, 224 pixels, {batch} images a GPU,
N = {rows:,}, D = {dim}, on G GPUs:

    step = b · (F / network + 4·N·D / loss) / 100 TFLOP/s + bytes / link
    bytes = 2·(G−1)/G · 4·P + (G−1) · b · 4·(D + 1)
    refresh = 2·N²·D / search / 100 TFLOP/s / G

F = {flops:.1f} GFLOP an image, forward and backward; P = {parameters:.1f}
million; a link of 100 GB/s within a machine of 8 GPUs, of 12.5 GB/s between
machines, nothing of the exchange hidden behind the backward pass, no time for
reading images. A GPU may well be used better or worse than this CPU, so these
are magnitudes.

{table}"""


def section(found: Sequence[Mapping[str, Any]]) -> str:
    """Write the page's last part; "" where a figure it needs is missing."""
    shares = efficiencies(found)
    if shares is None:
        return ""
    table = [
        ["GPUs", "step, ms", "of it exchange", "images/s", "epoch, minutes",
         "refresh, minutes", "bank on each, MB"]
    ]  # fmt: skip
    for gpus in GPUS:
        step, exchange = step_seconds(gpus, shares)
        speed = gpus * BATCH / step
        search = 2 * ROWS**2 * DIM / shares["search"] / FLOPS / gpus
        figures = (1e3 * step, 100 * exchange / step, speed,
                   ROWS / speed / 60, search / 60)  # fmt: skip
        step_, share, *others = map(number, figures)
        bank = f"{ROWS * DIM * 4 / 1e6:,.0f}"
        if gpus > 1:
            bank += f"; sharded {ROWS * DIM * 4 / gpus / 1e6:,.0f}"
        table.append([str(gpus), step_, f"{share} %", *others, bank])
    return TEXT.format(
        **shares,
        batch=BATCH,
        rows=ROWS,
        dim=DIM,
        flops=RESNET50 / 1e9,
        parameters=PARAMETERS / 1e6,
        table=aligned(table),
    )


def step_seconds(gpus: int, shares: Mapping[str, float]) -> tuple[float, float]:
    """Return a step's seconds, and those of its exchange."""
    work = RESNET50 / shares["network"] + 4 * ROWS * DIM / shares["loss"]
    received = 2 * (gpus - 1) / gpus * 4 * PARAMETERS
    received += (gpus - 1) * BATCH * 4 * (DIM + 1)
    exchange = received / LINK[gpus]
    return BATCH * work / FLOPS + exchange, exchange


def efficiencies(
    found: Sequence[Mapping[str, Any]],
) -> dict[str, float] | None:
    """Return the shares of a product's speed that the others come to."""
    by_name = {file["name"]: file for file in found}
    needed = ("product", "training_step", "loss", "refresh")
    if not all(name in by_name for name in needed):
        return None

    def best(name: str, side: int) -> float:
        """Return the best figure of a side in the first case."""
        file = by_name[name]
        figures = file["cases"][0]["sides"][side]["figures"]
        return best_of(file["unit"])(figures)

    peak = 1e9 * best("product", 0)
    return {
        "network": best("training_step", 0) * RESNET18 / peak,
        "loss": min(best("loss", -1), best("loss", -2)) / best("loss", 0),
        "search": best("refresh", -1) / best("refresh", 0),
    }
