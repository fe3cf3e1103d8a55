"""Time the refresh of a memory bank: entropies and neighbours of all rows.

    python -m benchmarks.discovery [--rows=50000] [--embedding_dim=128]

A quick look at this project alone, with what memory it takes;
`python -m benchmarks.speed --only=refresh` has others beside it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from absl import flags

from and_tf.utils import cli
from benchmarks.harness import processes
from benchmarks.speed import refresh

_ROWS = flags.DEFINE_integer(
    "rows", 50_000, "Number of rows of the memory bank.", lower_bound=2
)
_DIM = flags.DEFINE_integer(
    "embedding_dim", 128, "Length of an embedding.", lower_bound=1
)
_NEIGHBOURS = flags.DEFINE_multi_integer(
    "k",
    [1, 10, 100],
    "Number of neighbours of each row. Give the flag again for another "
    "number, which is timed as well.",
)
_REPEATS = flags.DEFINE_integer(
    "repeats", 3, "Number of repeats, of which the fastest counts."
)


def main(argv: Sequence[str]) -> None:
    """Print a line a k."""
    del argv
    cores, rows, dim = os.cpu_count() or 1, _ROWS.value, _DIM.value
    print(f"{rows:,} × {dim}, {cores} CPU cores, best of {_REPEATS.value}")
    for k in _NEIGHBOURS.value:
        seconds, memory = processes.call(
            refresh.look,
            threads=cores, n=rows, k=k, dim=dim, repeats=_REPEATS.value,
        )  # fmt: skip
        print(f"k = {k:3}: {seconds:.1f} s, memory +{memory:.0f} MiB")


if __name__ == "__main__":
    cli.run(main)
