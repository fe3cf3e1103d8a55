"""This project beside what people would otherwise use, on the same work.

    python -m benchmarks.speed                       # all, about an hour
    python -m benchmarks.speed --only=loss,refresh
    python -m benchmarks.speed --quick               # tiny, to see it work

Each side has a process of its own, with the same number of threads. Sides get
ready, are held against one another (who does not do the same work is not
timed), and then take turns: A B A B …, so that other load meets all alike.
Figures go to benchmarks/results/speed/, a file a comparison, and from all
files there benchmarks/SPEED.md and speed.png are written.

`make bench` installs what it needs beside the project, PyTorch and faiss, and
runs all.
"""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Sequence

from absl import flags

from and_tf.utils import atomic_files, cli
from benchmarks.speed import page, processes, record, registry
from benchmarks.speed.comparison import Comparison

_ONLY = flags.DEFINE_list(
    "only", [], "Names of comparisons; none runs all. See --list."
)
_LIST = flags.DEFINE_bool("list", False, "Name the comparisons and end.")
_REPEATS = flags.DEFINE_integer(
    "repeats", 0, "Turns of each side. 0: as many as each has.", lower_bound=0
)
_THREADS = flags.DEFINE_integer(
    "threads", os.cpu_count(), "That every side may use.", lower_bound=1
)
_QUICK = flags.DEFINE_bool(
    "quick", False, "Tiny sizes; nothing is written without --output_dir."
)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", "", "Where figures go. Empty: benchmarks/results/speed."
)
_MEASURE = flags.DEFINE_bool(
    "measure", True, "Else the page is written from the files there are."
)


def main(argv: Sequence[str]) -> None:
    """Measures what is asked for, then writes the page."""
    del argv
    chosen = registry.choose(_ONLY.value)
    if _LIST.value:
        for comparison in registry.COMPARISONS:
            print(f"{comparison.name:<20}{comparison.title}")
        return
    place = pathlib.Path(_OUTPUT_DIR.value or record.RESULTS)
    written = bool(_OUTPUT_DIR.value) or not _QUICK.value
    if _MEASURE.value:
        for comparison in chosen:
            processes.check_installed(list(comparison.sides))
        for comparison in chosen:
            found = measure(comparison)
            print(page.section(found), flush=True)
            if written:
                atomic_files.write_json(
                    place / f"{comparison.name}.json", found
                )
    if written:
        own = not _OUTPUT_DIR.value
        for path in page.write(place, record.PAGE.parent if own else place):
            print(f"wrote {path}")


def measure(comparison: Comparison) -> dict:
    """Runs all cases of a comparison; gives what its file holds."""
    repeats = _REPEATS.value or (2 if _QUICK.value else comparison.repeats)
    cases = comparison.quick if _QUICK.value else comparison.cases
    load = os.getloadavg()[0]
    found = []
    for number, case in enumerate(cases):

        def tell(what: str, title: str = case.title) -> None:
            print(f"{comparison.name}, {title}: {what}", file=sys.stderr)

        found.append(
            processes.compare(
                comparison,
                number,
                quick=_QUICK.value,
                threads=_THREADS.value,
                repeats=repeats,
                tell=tell,
            )
        )
    return record.of(
        comparison,
        cases,
        found,
        threads=_THREADS.value,
        repeats=repeats,
        quick=_QUICK.value,
        load=load,
    )


if __name__ == "__main__":
    cli.run(main)
