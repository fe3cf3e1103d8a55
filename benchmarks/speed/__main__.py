"""Compare this project with what people would otherwise use, on the same work.

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

import pathlib
from collections.abc import Sequence

from absl import flags

from and_tf.utils import atomic_files, cli
from benchmarks import pages, registry
from benchmarks.harness import program_flags, tables, turns

_ONLY = flags.DEFINE_list(
    "only",
    [],
    "Names of the comparisons to run, separated by commas; see --list. If "
    "empty, all are run.",
)
_LIST = flags.DEFINE_bool(
    "list", False, "Print the names of all comparisons and end."
)
_REPEATS = flags.DEFINE_integer(
    "repeats",
    0,
    "Number of turns of each side. 0 takes the number that each comparison "
    "sets itself.",
    lower_bound=0,
)
_THREADS = program_flags.threads("each side")
_QUICK = flags.DEFINE_bool(
    "quick",
    False,
    "Compare tiny sizes, to see the program work. Files are written only if "
    "--output_dir is given.",
)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir",
    "",
    "Directory to write the figures to. If empty, it is "
    "benchmarks/results/speed.",
)
_MEASURE = program_flags.measure()


def main(argv: Sequence[str]) -> None:
    """Measure what is asked for, then write the page."""
    del argv
    chosen = registry.choose(_ONLY.value)
    if _LIST.value:
        for comparison in registry.COMPARISONS:
            print(f"{comparison.name:<20}{comparison.title}")
        return
    own = not _OUTPUT_DIR.value
    written = _OUTPUT_DIR.value or not _QUICK.value
    place = pathlib.Path(_OUTPUT_DIR.value or pages.SPEED)
    if _MEASURE.value:
        for comparison in chosen:
            turns.check_installed(comparison.sides)
        for comparison in chosen:
            quick = " --quick" if _QUICK.value else ""
            found = turns.measure(
                comparison,
                f"python -m benchmarks.speed --only={comparison.name}{quick}",
                threads=_THREADS.value,
                repeats=_REPEATS.value,
                quick=_QUICK.value,
            )
            print(tables.section(found), flush=True)
            if written:
                atomic_files.write_json(
                    place / f"{comparison.name}.json", found
                )
    if written:
        pages.write("SPEED.md", place, None if own else place / "SPEED.md")


if __name__ == "__main__":
    cli.run(main)
