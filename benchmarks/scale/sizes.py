"""Compute what N images take, in bytes, and up to which N each part goes.

Formulas follow the code: what the code itself can be asked for, such as the
room of a search, is asked for, and a test holds the others to arrays of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from and_tf.augmentation import DRAWS
from and_tf.search import blockwise, device, grouped, reservoir
from and_tf.sweeping.table import aligned
from benchmarks.speed import imagenet

COUNTS = (10**6, 10**7, 10**8, 10**9)
DIM, K = imagenet.DIM, imagenet.K
# What is assumed. A file of ImageNet has 115 kB on average.
FILE_BYTES = 100_000
NAME = 60  # Characters of a file's path.
HOST_BYTES = 256e9
DEVICE_BYTES = 80e9
FLOAT, WHOLE = 4, 8  # float32, int64.

Bytes = Callable[[int], float]
Figures = Mapping[str, Mapping[str, Any]]  # Files of comparisons by name.


def bank(count: int, dim: int = DIM) -> int:
    """Return the bytes of a memory bank, float32 [N, D]."""
    return count * dim * FLOAT


def neighbours(count: int, k: int = K) -> int:
    """Return the bytes of neighbours, int64 [N, k]."""
    return count * k * WHOLE


def anchors(count: int) -> int:
    """Return the bytes of the marks of anchors, bool [N]."""
    return count


def checkpoint(count: int, dim: int = DIM, k: int = K) -> int:
    """Return the bytes of a checkpoint, without encoder and optimiser."""
    return bank(count, dim) + neighbours(count, k) + anchors(count)


def ids(count: int) -> int:
    """Return the bytes of a number for each image, int64 [N].

    The labels take as much, and so does the order of an epoch.
    """
    return count * WHOLE


def draws(count: int) -> int:
    """Return the bytes of the random numbers of an epoch's views."""
    return count * DRAWS * FLOAT


def names(count: int) -> int:
    """Return the bytes of as many paths, as Python's text in a tuple."""
    return count * (sys.getsizeof("/" * NAME) + WHOLE)


def found(count: int, k: int = K) -> int:
    """Return the bytes of a search's result, similarity, index and entropy."""
    return count * FLOAT * (2 * k + 1)


def cells(count: int, dim: int = DIM) -> int:
    """Return the bytes of an index of cells: rows again, and three numbers.

    The numbers are a row's place, what is in a place, and a weight.
    """
    return bank(count, dim) + count * (2 * WHOLE + FLOAT)


def search_state(count: int, k: int = K) -> int:
    """Return the bytes of the symmetric search's reservoirs on a CPU."""
    return 8 * reservoir.room(k + 1) * count


PARTS: tuple[tuple[str, str, Bytes], ...] = (
    ("files, 100 kB each (assumed)", "storage", lambda n: n * FILE_BYTES),
    ("embeddings, float32 [N, 128]", "storage", bank),
    ("the same in float16", "storage", lambda n: bank(n) / 2),
    ("the same in int8", "storage", lambda n: bank(n) / 4),
    ("a checkpoint: bank, neighbours, anchors", "storage", checkpoint),
    ("memory bank, float32 [N, 128]", "device", bank),
    ("neighbours, int64 [N, 1]", "device", neighbours),
    ("anchors, bool [N]", "device", anchors),
    ("numbers of the images, int64 [N]", "host", ids),
    ("labels, int64 [N]", "host", ids),
    ("order of an epoch, int64 [N]", "host", ids),
    (f"random numbers of an epoch, float32 [N, {DRAWS}]", "host", draws),
    (f"names of {NAME} characters, Python's text", "host", names),
    ("result of a search: similarity, index, entropy", "host", found),
    ("reservoirs of the symmetric search, k = 1", "host (CPU)", search_state),
    ("index of `--search_probes`", "host or device", cells),
)


def bytes_table(files: Figures) -> str:
    """Write what each part takes.

    Args:
        files: That of growth_memory.
    """
    peak = measured_bytes(files)
    measured = (
        "what the peak of a training process grew by, measured",
        "host (CPU)",
        lambda n: n * peak,
    )
    table = [["", "where", "an image", *(f"N = {n:,}" for n in COUNTS)]]
    for title, where, part in (*PARTS, measured):
        each = part(1)
        row = [title, where, f"{each:,.0f} B", *(size(part(n)) for n in COUNTS)]
        table.append(row)
    return aligned(table)


def measured_bytes(files: Figures) -> float:
    """Return the bytes of a row between the two largest banks measured."""
    few, many = files["growth_memory"]["cases"][-2:]
    most = [min(case["sides"][0]["figures"]) for case in (few, many)]
    rows = [rows_of(case["title"]) for case in (few, many)]
    return (most[1] - most[0]) * 2**20 / (rows[1] - rows[0])


def rows_of(title: str) -> int:
    """Return N of a case's title, such as "N = 1,000,000, k = 1"."""
    return int(title.partition(" = ")[2].partition(", k")[0].replace(",", ""))


def bank_table(count: int = 10**7) -> str:
    """Write what ten million images take, by D and k."""
    table = [["D", "k", "numbers", "neighbours", "bank", "checkpoint"]]
    for dim in (128, 512, 2048):
        for k in (1, 20):
            parts = (
                ids(count), neighbours(count, k), bank(count, dim),
                checkpoint(count, dim, k),
            )  # fmt: skip
            table.append([str(dim), str(k), *map(size, parts)])
    return aligned(table)


def host_bytes(count: int) -> float:
    """Return what training on a folder holds on the host, of N alone."""
    parts = (part(count) for _, where, part in PARTS if where == "host")
    # And a checkpoint that is being written, of which there is a copy.
    return sum(parts) + checkpoint(count)


def largest(fits: Callable[[int], bool]) -> int:
    """Return the largest N that fits, where no larger one fits again."""
    low, high = 1, 2**40
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def slice_fits(count: int) -> bool:
    """Return whether the least slice of an accelerator's search fits."""
    each = grouped.bytes_each(count, K, True)
    return device.ALIGNED * each <= device.MOST_BYTES


def limits() -> list[tuple[int, str, str]]:
    """Return up to which N a part goes, what it is, and what then happens."""
    return [
        (
            largest(lambda n: search_state(n) <= blockwise.STATE_BYTES),
            "exact search of a CPU that uses each product for two rows "
            "(`blockwise.STATE_BYTES`)",
            "twice as many products",
        ),
        (
            # The variable, the search's copy of it, and one that is padded.
            largest(lambda n: 3 * bank(n) <= DEVICE_BYTES),
            "exact search on a device of 80 GB, which may hold the bank three "
            "times",
            "the search has no room",
        ),
        (
            largest(slice_fits),
            "eight queries at a time in the 4 GiB that a search may take of a "
            "device",
            "the slice takes more than its budget",
        ),
        (
            largest(lambda n: n * device.ALIGNED <= 2**30),
            "products of eight queries with all rows, as places in 30 bits",
            "not known; never tried",
        ),
        (
            largest(lambda n: bank(n) <= DEVICE_BYTES),
            "a whole bank on a device of 80 GB",
            "`--shard_bank`",
        ),
        (
            largest(lambda n: bank(n) <= 8 * DEVICE_BYTES),
            "a bank over the eight devices of one process",
            "nothing: a bank over several processes does not exist",
        ),
        (
            largest(lambda n: host_bytes(n) <= HOST_BYTES),
            "what a host of 256 GB holds for a folder",
            "the process is killed",
        ),
        (
            2**31 - 1,
            "numbers of rows as int32, as searches return them",
            "not known; never tried",
        ),
    ]


def size(value: float) -> str:
    """Write bytes as people read them: "512 GB", "5.12 GB", "100 TB"."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            return f"{value:.3g} {unit}"
        value /= 1000
    raise AssertionError
