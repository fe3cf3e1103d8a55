"""Tell size, fidelity and latency of a run's encoder in each mode of TFLite.

    python -m benchmarks.tflite --run_dir=runs/cifar100 [--output=table.json]

exports all four to a temporary directory and prints a Markdown table. A
latency is the median over many calls after some to warm up, on real images;
on a machine that others use too, all of them are too long.
"""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from and_tf.sweeping.table import aligned
from and_tf.utils import atomic_files, cli
from and_tf.utils.averages import percent
from benchmarks import trained_run
from benchmarks.harness import record, tables, turns
from benchmarks.harness.comparison import Case, Comparison, Side
from benchmarks.speed import encoders
from export.tensor_names import MODES

if TYPE_CHECKING:
    import numpy as np

THREADS = (1, 2)

_CALIBRATION = flags.DEFINE_integer(
    "calibration_images",
    500,
    "Number of training images that int8 is calibrated on.",
    lower_bound=1,
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size",
    32,
    "Number of images in the larger of the two timed batches.",
    lower_bound=2,
)
_REPEATS = flags.DEFINE_integer(
    "repeats",
    200,
    "Number of timed calls, of which the median counts.",
    lower_bound=1,
)


def main(argv: Sequence[str]) -> None:
    """Measure, and print the table."""
    del argv
    run_dir, data_dir, output = trained_run.places()
    cli.import_tensorflow()
    from and_tf.training.run import Run
    from export.metadata import describe
    from export.serving import fidelity
    from export.tflite.encoder import TFLiteEncoder

    run = Run(pathlib.Path(run_dir), data_dir=data_dir)
    data = run.images
    images = encoders.clean_views(data, run.image_size, _BATCH_SIZE.value)
    with tempfile.TemporaryDirectory() as name:
        place, calibration = pathlib.Path(name), _CALIBRATION.value
        paths = {
            mode: encoders.write_tflite(run, data, mode, place, calibration)
            for mode in MODES
        }
        found = {mode: TFLiteEncoder(path) for mode, path in paths.items()}
        kept = fidelity.measure(
            run.encoder, found, data, image_size=run.image_size
        )
        times = latencies(paths, images)
        rows = {
            mode: {
                "bytes": path.stat().st_size,
                **kept[mode],
                "milliseconds": times[mode],
            }
            for mode, path in paths.items()
        }
    machine = record.machine()
    print(f"{run_dir}, seed {run.config.seed}, {tables.machine(machine)}")
    print(f"{protocol(rows)}\n\n{table(rows)}")
    if output:
        content = {"machine": machine, "run": describe(run),
                   "batch_size": _BATCH_SIZE.value,
                   "repeats": _REPEATS.value, "modes": rows}  # fmt: skip
        atomic_files.write_json(output, content)


def latencies(
    paths: Mapping[str, pathlib.Path], images: np.ndarray
) -> dict[str, dict[str, float]]:
    """Return median milliseconds by mode, and by images and threads."""
    cases = [
        Case(
            f"{_count(size, 'image')}, {_count(threads, 'thread')}",
            {
                "threads": threads,
                "images": images[:size],
                "calls": _REPEATS.value,
            },
        )
        for size in (1, len(images))
        for threads in THREADS
    ]
    sides = [
        Side(mode, encoders.call_tflite, {"path": str(path)}, alike=False)
        for mode, path in paths.items()
    ]
    comparison = Comparison("tflite", "", "", "ms", sides, cases, repeats=1)
    times: dict[str, dict[str, float]] = {mode: {} for mode in paths}
    for case in turns.measure(comparison, "")["cases"]:
        for side in case["sides"]:
            (times[side["name"]][case["title"]],) = side["figures"]
    return times


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"


def protocol(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Tell what the figures have to be read with."""
    row = next(iter(rows.values()))
    cosines = (
        f"cosines to the original over {row['query_images']:,} queries and "
        f"{row['gallery_images']:,} gallery images"
    )
    knn = row["knn_protocol"]
    if knn is None:
        return cosines
    return (
        f"kNN: K = {knn['K']}, τ = {knn['temperature']:g}, queries "
        f"{knn['queries']}, gallery {knn['gallery']}; {cosines}"
    )


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the figures in Markdown."""
    first = next(iter(rows.values()))
    heads = ["mode", "MB", "kNN top-1", "mean cosine", "min. cosine"]
    heads += [f"{case}, ms" for case in first["milliseconds"]]
    lines = [heads]
    if first["original_knn_top1"] is not None:
        top1 = percent(first["original_knn_top1"], 2)
        lines.append(["original", "", top1, *[""] * (len(heads) - 3)])
    for mode, row in rows.items():
        cosines = row["mean_cosine"], row["minimum_cosine"]
        lines.append(
            [mode, f"{row['bytes'] / 1e6:.2f}",
             percent(row["knn_top1"], 2),
             *(f"{cosine:.6f}" for cosine in cosines),
             *(f"{time:.2f}" for time in row["milliseconds"].values())]
        )  # fmt: skip
    return aligned(lines)


if __name__ == "__main__":
    cli.run(main)
