"""Compare images a second through a run's encoder, as Keras and exported.

    python -m benchmarks.inference --run_dir=runs/cifar100

All embed the same real images, decoded and of the encoder's size already,
from NumPy arrays to NumPy arrays, on all cores. They take turns, so that
other load on the machine meets all alike; the best turn of each counts. How
far their embeddings are from Keras' shows that they do the same work.
"""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from and_tf.utils import atomic_files, cli
from benchmarks import trained_run
from benchmarks.harness import tables, turns
from benchmarks.speed import encoders

_IMAGES = flags.DEFINE_integer(
    "images",
    2048,
    "Number of images of the test split that are embedded.",
    lower_bound=1,
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size",
    128,
    "Number of images in a call of an encoder.",
    lower_bound=1,
)
_REPEATS = flags.DEFINE_integer(
    "repeats",
    10,
    "Number of turns of each encoder over the images.",
    lower_bound=1,
)


def main(argv: Sequence[str]) -> None:
    """Measure, and print the table."""
    del argv
    run_dir, data_dir, output = trained_run.places()
    comparison = encoders.of_run(
        run_dir, data_dir, _IMAGES.value, _BATCH_SIZE.value
    )
    command = "python -m benchmarks.inference --run_dir=…"
    found = turns.measure(comparison, command, repeats=_REPEATS.value)
    print(tables.section(found))
    if output:
        atomic_files.write_json(output, {"run_dir": run_dir, **found})


if __name__ == "__main__":
    cli.run(main)
