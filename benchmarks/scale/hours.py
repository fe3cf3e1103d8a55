"""Compute the hours that N images take, and what they cost.

Two machines stand side by side. Of two CPU cores, rates were measured, and are
carried on to larger N. Of a GPU none was measured: it is the one that
`benchmarks.speed.imagenet` assumes, of 100 TFLOP/s in large products, used as
well as these cores are.
"""

from __future__ import annotations

from typing import NamedTuple

from and_tf.search import blockwise, cell_index
from and_tf.sweeping.table import aligned
from benchmarks.scale import sizes
from benchmarks.scale.sizes import COUNTS, DIM, Figures, K, rows_of
from benchmarks.speed import imagenet

# Images a second that a SavedModel embeds, where docs/deploy.md says so: the
# encoder `small`, 64 pixels, decoded already, on both cores.
EMBEDDED, EMBEDDED_PAGE = 4768, "docs/deploy.md"
# Seconds of a refresh in cells on both cores, where docs/training.md says so,
# and the number of rows.
IN_CELLS, IN_CELLS_ROWS, IN_CELLS_PAGE = 145, 1_000_000, "docs/training.md"
BATCH = 128  # Images in the steps of growth_step.json.
PROBES = 16  # Of --search_probes.
NEGATIVES = 8192  # Rows that a step draws.
# Prices that are assumed, in dollars. They are magnitudes: put yours in.
GPU_HOUR, TB_MONTH, MILLION_READS = 3.0, 20.0, 0.4


class Hours(NamedTuple):
    """Holds the hours that one machine takes for each part."""

    embed: float
    network: float
    loss: float
    sampled: float
    exact: float
    in_cells: float


TITLES = {
    "embed": "embedding all images once",
    "network": "an epoch, the network alone",
    "loss": "an epoch, the loss over all N rows",
    "sampled": f"the same with `--negatives={NEGATIVES}`, products alone",
    "exact": "a refresh, exact",
    "in_cells": f"a refresh in {PROBES} cells",
}


def of_cores(count: int, files: Figures) -> Hours:
    """Return the hours of two CPU cores, encoder `small`.

    Args:
        count: N.
        files: Those of growth_step and growth_refresh.
    """
    fixed, each = step_milliseconds(files)
    steps = count / BATCH
    measured, seconds = refresh_seconds(files)
    exact = seconds * (count / measured) ** 2
    if sizes.search_state(count) > blockwise.STATE_BYTES:
        exact *= 2  # Each product serves one row alone.
    more = products_in_cells(count) / products_in_cells(IN_CELLS_ROWS)
    return _hours(
        count / EMBEDDED,
        steps * fixed / 1e3,
        steps * each * count / 1e3,
        steps * each * min(count, NEGATIVES) / 1e3,
        exact,
        IN_CELLS * more,
    )


def of_gpu(count: int, files: Figures) -> Hours:
    """Return the hours of one GPU, encoder ResNet50 at 224 pixels.

    Args:
        count: N.
        files: Those that `imagenet.efficiencies` needs.
    """
    shares = imagenet.efficiencies(list(files.values()))
    assert shares is not None
    network = imagenet.RESNET50 / shares["network"]
    loss = 4 * DIM / shares["loss"]  # Of an image and a row.
    search = 2 * count**2 * DIM / shares["search"]
    flops = (
        count * network / 3,  # Forward alone.
        count * network,
        count * loss * count,
        count * loss * min(count, NEGATIVES),
        search,
        products_in_cells(count),
    )
    return _hours(*(each / imagenet.FLOPS for each in flops))


def _hours(*seconds: float) -> Hours:
    return Hours(*(each / 3600 for each in seconds))


def products_in_cells(count: int) -> float:
    """Return the operations of products of a search in cells.

    k-means compares some rows with all centres, time and again. Then all rows
    are compared with the centres, with the rows of the cells nearest to them,
    and with a sample.
    """
    centres = cell_index.number_of_cells(count)
    fitted = (
        cell_index.ITERATIONS
        * min(count, cell_index.FITTED * centres)
        * centres
    )
    compared = (
        centres + PROBES * count / centres + min(count, cell_index.SAMPLE)
    )
    return 2 * DIM * (fitted + count * compared)


def step_milliseconds(files: Figures) -> tuple[float, float]:
    """Return a step's milliseconds without a bank, and those of each row.

    A line through the two largest banks that were measured.
    """
    few, many = files["growth_step"]["cases"][-2:]
    rows = [rows_of(case["title"]) for case in (few, many)]
    times = [min(case["sides"][0]["figures"]) for case in (few, many)]
    each = (times[1] - times[0]) / (rows[1] - rows[0])
    return times[1] - each * rows[1], each


def refresh_seconds(files: Figures) -> tuple[int, float]:
    """Return the largest N of a measured refresh with k = 1, and its time."""
    cases = [
        case
        for case in files["growth_refresh"]["cases"]
        if case["title"].endswith(f"k = {K}")
    ]
    return rows_of(cases[-1]["title"]), min(cases[-1]["sides"][0]["figures"])


def level_with_network(files: Figures) -> dict[str, int]:
    """Return the N at which the loss takes no longer than the network."""
    fixed, each = step_milliseconds(files)
    hours = of_gpu(1, files)
    return {
        "two CPU cores, `small`, 32 pixels": round(fixed / each),
        "a GPU, ResNet50, 224 pixels": round(hours.network / hours.loss),
    }


def hours_table(files: Figures) -> str:
    """Write the hours of both machines."""
    table = [["", "machine", *(f"N = {n:,}" for n in COUNTS)]]
    machines = {"two cores": of_cores, "a GPU": of_gpu}
    for part, title in TITLES.items():
        for machine, of in machines.items():
            values = (getattr(of(n, files), part) for n in COUNTS)
            table.append([title, machine, *map(_number, values)])
    return aligned(table)


def cost_table(files: Figures) -> str:
    """Write what each part costs on GPUs, and what storage costs."""
    table = [["", *(f"N = {n:,}" for n in COUNTS)]]
    for part, title in TITLES.items():
        values = (GPU_HOUR * getattr(of_gpu(n, files), part) for n in COUNTS)
        table.append([title, *map(_dollars, values)])
    stored = (TB_MONTH * n * sizes.FILE_BYTES / 1e12 for n in COUNTS)
    read = (MILLION_READS * n / 1e6 for n in COUNTS)
    kept = (TB_MONTH * sizes.checkpoint(n) / 1e12 for n in COUNTS)
    table.append(["files, a month", *map(_dollars, stored)])
    table.append(["reading each file once, one by one", *map(_dollars, read)])
    table.append(["a checkpoint, a month", *map(_dollars, kept)])
    return aligned(table)


def limits_table(files: Figures) -> str:
    """Write what breaks, the smallest N first."""
    rows = [
        (
            n,
            f"the loss takes no longer than the network ({name})",
            "time that grows with N²",
        )
        for name, n in level_with_network(files).items()
    ]
    table = [["N, about", "up to here", "beyond"]]
    for n, what, then in sorted([*rows, *sizes.limits()]):
        table.append([rounded(n), what, then])
    return aligned(table)


def rounded(value: float) -> str:
    """Write a number by two digits: "6.1 million", "97,000"."""
    value = float(f"{value:.2g}")
    for name, unit in (("billion", 1e9), ("million", 1e6)):
        if value >= unit:
            return f"{value / unit:g} {name}"
    return f"{value:,.0f}"


def _number(value: float) -> str:
    if value < 1e-3:
        return "< 0.001"
    return f"{float(f'{value:.2g}'):,.0f}" if value >= 10 else f"{value:.2g}"


def _dollars(value: float) -> str:
    return _number(value) if value >= 0.01 else "< 0.01"
