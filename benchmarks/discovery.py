"""Time the refresh of a memory bank: entropies and neighbours of all rows.

    python -m benchmarks.discovery [--rows=50000] [--embedding_dim=128]
    python -m benchmarks.discovery --bank=bank.npy --k=1 --search_probes=16

A quick look at this project alone, with what memory it takes;
`python -m benchmarks.speed --only=refresh` has others beside it. With
`--search_probes` the refresh is that in cells, and what it finds of the exact
one is measured on 1,000 rows.
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
_BANK = flags.DEFINE_string(
    "bank",
    "",
    "An .npy file with the rows of a memory bank, float32 [N, D]. If it is "
    "not given, there are --rows random rows of --embedding_dim numbers. "
    "These have no clusters, so that a search in cells finds few of their "
    "neighbours.",
)
_NEIGHBOURS = flags.DEFINE_multi_integer(
    "k",
    [1, 10, 100],
    "Number of neighbours of each row. Give the flag again for another "
    "number, which is timed as well.",
)
_PROBES = flags.DEFINE_multi_integer(
    "search_probes",
    [0],
    "Number of cells that are searched for each row; 0 searches all rows. "
    "Give the flag again for another number, which is timed as well.",
)
_REPEATS = flags.DEFINE_integer(
    "repeats", 3, "Number of repeats, of which the fastest counts."
)


def main(argv: Sequence[str]) -> None:
    """Print a line for each k and number of cells."""
    del argv
    cores = os.cpu_count() or 1
    count, dim = _ROWS.value, _DIM.value
    if _BANK.value:
        count, dim = refresh.shape_of(_BANK.value)
    print(f"{count:,} × {dim}, {cores} CPU cores, best of {_REPEATS.value}")
    for k in _NEIGHBOURS.value:
        for probes in _PROBES.value:
            look = processes.call(
                refresh.look,
                threads=cores, n=count, k=k, dim=dim, repeats=_REPEATS.value,
                bank=_BANK.value, probes=probes,
            )  # fmt: skip
            searched = f", {probes} cells" if probes else ""
            line = f"k = {k:3}{searched}: {look.seconds:.1f} s, memory "
            line += f"+{look.mebibytes:,.0f} MiB"
            if probes:
                line += (
                    f", {100 * look.recall:.1f} % of the neighbours, "
                    f"entropies off by {look.entropy_error:.3f} on average"
                )
            print(line, flush=True)


if __name__ == "__main__":
    cli.run(main)
