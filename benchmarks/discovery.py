"""Times the refresh of a memory bank: entropies and neighbours of all rows.

    python -m benchmarks.discovery [--rows=50000] [--embedding_dim=128]

A quick look at this project alone, with what memory it takes;
`python -m benchmarks.speed --only=refresh` has others beside it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from absl import flags

from and_tf.utils import cli
from benchmarks.speed import memory, refresh

_ROWS = flags.DEFINE_integer("rows", 50_000, "N.", lower_bound=2)
_DIM = flags.DEFINE_integer("embedding_dim", 128, "D.", lower_bound=1)
_NEIGHBOURS = flags.DEFINE_multi_integer("k", [1, 10, 100], "Neighbours.")
_REPEATS = flags.DEFINE_integer("repeats", 3, "Of which the best counts.")


def main(argv: Sequence[str]) -> None:
    """Prints a line a k."""
    del argv
    cores = os.cpu_count() or 1
    print(
        f"{_ROWS.value:,} × {_DIM.value}, {cores} CPU cores, best of "
        f"{_REPEATS.value}"
    )
    start = None
    for k in _NEIGHBOURS.value:
        work = refresh.ours(cores, _ROWS.value, k, _DIM.value)
        start = start or memory.peak()
        work.measure()  # Traces.
        seconds = min(work.measure() for _ in range(_REPEATS.value))
        more = (memory.peak() - start) / 2**20
        print(f"k = {k:3}: {seconds:.1f} s, memory +{more:.0f} MiB", flush=True)


if __name__ == "__main__":
    cli.run(main)
