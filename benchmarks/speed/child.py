"""One side of a comparison, in a process of its own.

It gets ready, says so in a line of JSON, and then does what each line of its
standard input asks: "answer PATH" or "turn". `processes` is who asks.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import TextIO

import numpy as np
from absl import flags

from and_tf.utils import cli
from benchmarks.speed import registry
from benchmarks.speed.comparison import Work

_TASK = flags.DEFINE_string("task", "", "JSON, as `processes` writes it.")

# By the name of the module that brings it.
PACKAGES = {
    "tensorflow": "tensorflow",
    "keras": "keras",
    "keras_cv": "keras-cv",
    "torch": "torch",
    "faiss": "faiss-cpu",
    "PIL": "pillow",
    "numpy": "numpy",
}


def main(argv: Sequence[str]) -> None:
    """Gets the side ready and answers until nothing more is asked."""
    del argv
    task = json.loads(_TASK.value)
    comparison = registry.BY_NAME[task["comparison"]]
    cases = comparison.quick if task["quick"] else comparison.cases
    case = cases[task["case"]]
    (side,) = (s for s in comparison.sides if s.name == task["side"])
    with _replies() as replies:
        arguments = {**case.arguments, **side.arguments}
        work = side.prepare(threads=task["threads"], **arguments)
        _say(replies, {"versions": versions()})
        for line in sys.stdin:
            _say(replies, _do(work, *line.split(maxsplit=1)))


def _do(work: Work, what: str, path: str = "") -> dict:
    if what == "turn":
        return {"figure": work.measure()}
    np.savez(path.strip(), **work.answer())
    return {}


def _replies() -> TextIO:
    """Standard output, which what libraries print no longer reaches."""
    sys.stdout.flush()
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return replies


def _say(replies: TextIO, what: dict) -> None:
    replies.write(json.dumps(what) + "\n")
    replies.flush()


def versions() -> dict[str, str]:
    """Of what this process has imported."""
    return {
        package: metadata.version(package)
        for module, package in PACKAGES.items()
        if module in sys.modules
    }


if __name__ == "__main__":
    cli.run(main)
