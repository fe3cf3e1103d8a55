"""Compare the paper's augmentations and strong ones with keras-cv's own.

    python -m benchmarks.augmentation --image_size=32

keras-cv's layers do what their names say, which is not quite the papers'
recipes. On a machine that others use too, the best of the repeats is the figure
to trust, and more repeats give a better one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from absl import flags

from and_tf.utils import cli
from benchmarks.harness import tables, turns
from benchmarks.harness.comparison import Case
from benchmarks.speed import views

_IMAGE_SIZE = flags.DEFINE_integer(
    "image_size", 32, "Side of a view, in pixels."
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 128, "Number of images in a batch."
)
_BATCHES = flags.DEFINE_integer("batches", 50, "Number of batches in a repeat.")
_REPEATS = flags.DEFINE_integer(
    "repeats", 5, "Number of repeats, of which the fastest counts."
)


def main(argv: Sequence[str]) -> None:
    """Print a table for each kind of view."""
    del argv
    size, batch = _IMAGE_SIZE.value, _BATCH_SIZE.value
    arguments = {"count": batch * _BATCHES.value, "size": size, "batch": batch}
    for comparison in (views.PAPER, views.STRONG):
        strong = comparison is views.STRONG
        comparison = dataclasses.replace(
            comparison,
            does=f"In `tf.data`, batches of {batch}.",
            sides=(views.OURS, views.THEIRS),
            cases=[Case(f"{size} pixels", {**arguments, "strong": strong})],
        )
        found = turns.measure(
            comparison,
            f"python -m benchmarks.augmentation --image_size={size}",
            repeats=_REPEATS.value,
        )
        print(tables.section(found), flush=True)


if __name__ == "__main__":
    cli.run(main)
