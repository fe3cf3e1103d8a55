"""Write benchmarks/RESULTS.md from the result files beside it.

    python -m benchmarks.results
    python -m benchmarks.results --add=runs/quick --name=quick \\
        --title='CIFAR-10, `make demo`'
    python -m benchmarks.results --add=sweeps/selection --name=selection \\
        --title='…' --about=table6/one_off,table6/curriculum

--add takes the figures of a finished run, or of a sweep, into
benchmarks/results/<name>.json first.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Sequence

from absl import flags

from and_tf.utils import cli
from and_tf.utils.errors import InputError
from benchmarks import pages, result_files
from benchmarks.harness.record import HERE

_ADD = flags.DEFINE_string(
    "add",
    "",
    "Directory of a finished run or of a sweep. Its figures are added before "
    "the page is written.",
)
_NAME = flags.DEFINE_string(
    "name",
    "",
    "Name of the result file that --add writes: letters, digits and _.",
)
_TITLE = flags.DEFINE_string(
    "title", "", "Title of the added figures on the page."
)
_ROW = flags.DEFINE_list(
    "row",
    [],
    "Ids of rows in paper_rows.json that the added run reproduces by the same "
    "recipe, separated by commas.",
)
_ABOUT = flags.DEFINE_list(
    "about",
    [],
    "Ids of rows in paper_rows.json that ask the same question of a larger "
    "training, separated by commas.",
)
_NOTE = flags.DEFINE_string(
    "note", "", "Sentence or two about what the added figures show."
)
_PAGE = flags.DEFINE_string("page", str(HERE / "RESULTS.md"), "Page to write.")


def main(argv: Sequence[str]) -> None:
    """Add what is to be added, then write the page."""
    del argv
    if _ADD.value:
        if not re.fullmatch(r"\w+", _NAME.value) or not _TITLE.value:
            raise InputError(
                "Expected --name, of letters, digits and _, and --title with "
                f"--add. Received: {_NAME.value!r} and {_TITLE.value!r}."
            )
        path = result_files.add(
            pathlib.Path(_ADD.value),
            _NAME.value,
            _TITLE.value,
            _ROW.value,
            _ABOUT.value,
            _NOTE.value,
        )
        print(f"wrote {path}")
    pages.write("RESULTS.md", page=pathlib.Path(_PAGE.value))


if __name__ == "__main__":
    cli.run(main)
