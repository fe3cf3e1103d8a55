"""Writes benchmarks/RESULTS.md from the result files beside it.

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

from and_tf.utils import atomic_files, cli
from and_tf.utils.errors import InputError
from benchmarks import result_files, results_page

_ADD = flags.DEFINE_string("add", "", "A run's or a sweep's directory.")
_NAME = flags.DEFINE_string("name", "", "Of the file: letters, digits and _.")
_TITLE = flags.DEFINE_string("title", "", "What it is, in words.")
_ROW = flags.DEFINE_list(
    "row", [], "Rows of paper_rows.json whose very recipe it is."
)
_ABOUT = flags.DEFINE_list(
    "about", [], "Rows that ask the same of a larger training."
)
_NOTE = flags.DEFINE_string(
    "note", "", "What is to be seen in it, as a sentence or two."
)
_PAGE = flags.DEFINE_string(
    "page", str(result_files.HERE / "RESULTS.md"), "What is written."
)


def main(argv: Sequence[str]) -> None:
    """Adds what is to be added, then writes the page."""
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
    page = pathlib.Path(_PAGE.value)
    text = results_page.render(
        result_files.paper_rows(), result_files.read_all()
    )
    atomic_files.write_text(page, text)
    print(f"wrote {page}")


if __name__ == "__main__":
    cli.run(main)
