"""Size, fidelity and latency of a run's encoder in each mode of TFLite.

    python -m benchmarks.tflite --run_dir=runs/cifar100 [--output=table.json]

exports all four to a temporary directory and prints a Markdown table. A
latency is the median over many calls after some to warm up, on real images;
on a machine that others use too, all of them are too long.
"""

from __future__ import annotations

import pathlib
import tempfile
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from and_tf.utils import cli
from benchmarks import machine, trained_run
from export.tensor_names import MODES

if TYPE_CHECKING:
    import numpy as np

    from and_tf.data.split import ImageData
    from and_tf.training.trained import TrainedEncoder

THREADS = (1, 2)
WARM_UP = 10  # Calls that do not count.

_CALIBRATION = flags.DEFINE_integer(
    "calibration_images", 500, "Training images for int8.", lower_bound=1
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 32, "Of the batch.", lower_bound=2
)
_REPEATS = flags.DEFINE_integer(
    "repeats", 200, "Calls of which the median counts.", lower_bound=1
)


def main(argv: Sequence[str]) -> None:
    """Measures and prints the table."""
    del argv
    output = trained_run.output()
    run, data = trained_run.load()
    from and_tf.utils import atomic_files
    from export.metadata import describe

    with tempfile.TemporaryDirectory() as place:
        paths = export(run, data, pathlib.Path(place))
        rows = measure(run, data, paths)
    print(f"{run.directory.path}, seed {run.config.seed}, {machine.sentence()}")
    print(protocol(rows))
    print(table(rows))
    if output:
        atomic_files.write_json(
            output,
            {
                "machine": machine.describe(),
                "run": describe(run),
                "batch_size": _BATCH_SIZE.value,
                "repeats": _REPEATS.value,
                "modes": rows,
            },
        )


def export(
    run: TrainedEncoder, data: ImageData, place: pathlib.Path
) -> dict[str, pathlib.Path]:
    """Writes a file for each mode."""
    from export.tflite import calibration
    from export.tflite.conversion import convert

    seed = run.config.seed
    split = calibration.draw(data.train, _CALIBRATION.value, seed)
    paths = {mode: place / f"{mode}.tflite" for mode in MODES}
    for mode, path in paths.items():
        if mode == "int8":
            path.write_bytes(calibration.convert_int8(run, split))
        else:
            path.write_bytes(convert(run.encoder, mode))
    return paths


def measure(
    run: TrainedEncoder, data: ImageData, paths: dict[str, pathlib.Path]
) -> dict[str, dict[str, Any]]:
    """Size, fidelity and latencies in milliseconds by mode."""
    from benchmarks.real_images import clean_views
    from export.serving import fidelity
    from export.tflite.encoder import TFLiteEncoder

    fidelities = fidelity.measure(
        run.encoder,
        {mode: TFLiteEncoder(path) for mode, path in paths.items()},
        data,
        image_size=run.image_size,
    )
    images = clean_views(data, run.image_size, _BATCH_SIZE.value)
    return {
        mode: {
            "bytes": path.stat().st_size,
            **fidelities[mode],
            "milliseconds": latencies(path, images),
        }
        for mode, path in paths.items()
    }


def latencies(
    path: pathlib.Path, images: np.ndarray
) -> dict[str, dict[str, float]]:
    """Median milliseconds by number of images and of threads."""
    from export.tflite.encoder import TFLiteEncoder

    sizes = (1, len(images))
    return {
        "1 image" if size == 1 else f"{size} images": {
            "1 thread"
            if threads == 1
            else f"{threads} threads": _median_milliseconds(
                TFLiteEncoder(path, threads), images[:size]
            )
            for threads in THREADS
        }
        for size in sizes
    }


def _median_milliseconds(encoder: Any, images: np.ndarray) -> float:
    import numpy as np

    seconds = []
    for _ in range(WARM_UP + _REPEATS.value):
        began = time.perf_counter()
        encoder(images)
        seconds.append(time.perf_counter() - began)
    return 1000 * float(np.median(seconds[WARM_UP:]))


def protocol(rows: dict[str, dict[str, Any]]) -> str:
    """What the figures have to be read with."""
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


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The figures in Markdown."""
    first = next(iter(rows.values()))
    heads = ["mode", "MB", "kNN top-1", "mean cosine", "min. cosine"]
    heads += [
        f"{images}, {threads}, ms"
        for images, times in first["milliseconds"].items()
        for threads in times
    ]
    lines = [heads, ["---"] * len(heads)]
    if first["original_knn_top1"] is not None:
        top1 = _percent(first["original_knn_top1"])
        lines.append(["original", "", top1, *[""] * (len(heads) - 3)])
    for mode, row in rows.items():
        times = [
            f"{time:.2f}"
            for by_threads in row["milliseconds"].values()
            for time in by_threads.values()
        ]
        cosines = f"{row['mean_cosine']:.6f}", f"{row['minimum_cosine']:.6f}"
        megabytes = f"{row['bytes'] / 1e6:.2f}"
        top1 = _percent(row["knn_top1"])
        lines.append([mode, megabytes, top1, *cosines, *times])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}"


if __name__ == "__main__":
    cli.run(main)
