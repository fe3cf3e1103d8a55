"""Times the refresh of a memory bank: entropies and neighbours of all rows.

python -m benchmarks.discovery [--rows=50000] [--embedding_dim=128]
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Sequence

from absl import flags

from and_tf import cli

_ROWS = flags.DEFINE_integer("rows", 50_000, "N.", lower_bound=2)
_DIM = flags.DEFINE_integer("embedding_dim", 128, "D.", lower_bound=1)
_NEIGHBOURS = flags.DEFINE_multi_integer("k", [1, 10, 100], "Neighbours.")
_REPEATS = flags.DEFINE_integer("repeats", 3, "Of which the best counts.")


def peak_mib() -> float:
    """The most memory that the process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(argv: Sequence[str]) -> None:
    """Prints a line a k."""
    del argv
    cli.import_tensorflow()
    import tensorflow as tf

    from and_tf.nearest import nearest

    draws = tf.random.stateless_normal([_ROWS.value, _DIM.value], [0, 1])
    rows = tf.math.l2_normalize(draws, axis=1)
    start = peak_mib()
    print(
        f"{_ROWS.value:,} × {_DIM.value}, {os.cpu_count()} CPU cores, best of "
        f"{_REPEATS.value}"
    )
    for k in _NEIGHBOURS.value:
        seconds = []
        for _ in range(_REPEATS.value + 1):  # The first one traces.
            began = time.perf_counter()
            nearest(rows, rows, k, temperature=0.1, exclude_self=True)
            seconds.append(time.perf_counter() - began)
        print(
            f"k = {k:3}: {min(seconds[1:]):.1f} s, memory +"
            f"{peak_mib() - start:.0f} MiB",
            flush=True,
        )


if __name__ == "__main__":
    cli.run(main)
