"""Images a second through a run's encoder, as Keras and as each export.

    python -m benchmarks.inference --run_dir=runs/cifar100

All embed the same real images, decoded and of the encoder's size already,
from NumPy arrays to NumPy arrays, on all cores. They take turns, so that
other load on the machine meets all alike; the best turn of each counts. How
far their embeddings are from Keras' shows that they do the same work.
"""

from __future__ import annotations

import contextlib
import io
import pathlib
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from and_tf.utils import cli
from benchmarks import machine, trained_run
from export.tensor_names import INPUT, OUTPUT, SIGNATURE

if TYPE_CHECKING:
    import numpy as np

    from and_tf.data.split import ImageData
    from and_tf.training.trained import TrainedEncoder

Encoder = Callable[["np.ndarray"], "np.ndarray"]

_IMAGES = flags.DEFINE_integer(
    "images", 2048, "How many, of the test split.", lower_bound=1
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 128, "Images a call.", lower_bound=1
)
_REPEATS = flags.DEFINE_integer(
    "repeats", 10, "Turns over the images.", lower_bound=1
)


def main(argv: Sequence[str]) -> None:
    """Measures and prints the table."""
    del argv
    output = trained_run.output()
    run, data = trained_run.load()
    from and_tf.utils import atomic_files
    from benchmarks.real_images import clean_views

    images = clean_views(data, run.image_size, _IMAGES.value)
    with tempfile.TemporaryDirectory() as place:
        encoders = make(run, data, pathlib.Path(place))
        rows = compare(encoders, images, _BATCH_SIZE.value, _REPEATS.value)
    print(
        f"{run.directory.path}: {run.config.backbone}, {run.image_size} "
        f"pixels, {len(images):,} images in batches of {_BATCH_SIZE.value}; "
        f"{machine.sentence()}; best of {_REPEATS.value}"
    )
    print(table(rows))
    if output:
        atomic_files.write_json(
            output,
            {
                "machine": machine.describe(),
                "run_dir": str(run.directory.path),
                "images": len(images),
                "batch_size": _BATCH_SIZE.value,
                "repeats": _REPEATS.value,
                "encoders": rows,
            },
        )


def make(
    run: TrainedEncoder, data: ImageData, place: pathlib.Path
) -> dict[str, Encoder]:
    """The encoder in each form; the first is what it is held against."""
    from export.tflite import calibration
    from export.tflite.conversion import convert
    from export.tflite.encoder import TFLiteEncoder

    split = calibration.draw(data.train, 500, run.config.seed)
    contents = {
        "float32": convert(run.encoder, "none"),
        "int8": calibration.convert_int8(run, split),
    }
    encoders = {
        "Keras": keras_encoder(run, jit_compile=False),
        "Keras, XLA": keras_encoder(run, jit_compile=True),
    }
    encoders["SavedModel"] = saved_model(run, place)
    for name, content in contents.items():
        path = place / f"{name}.tflite"
        path.write_bytes(content)
        encoders[f"TFLite {name}"] = TFLiteEncoder(path)
    return encoders


def keras_encoder(run: TrainedEncoder, jit_compile: bool) -> Encoder:
    """The encoder as a compiled function, faster than `predict`."""
    import tensorflow as tf

    @tf.function(jit_compile=jit_compile)
    def embed(images: tf.Tensor) -> tf.Tensor:
        return run.encoder(images, training=False)

    return lambda images: embed(tf.constant(images)).numpy()


def saved_model(run: TrainedEncoder, place: pathlib.Path) -> Encoder:
    """Exports the run and loads what was written."""
    import tensorflow as tf

    from export.serving import saved_model_writer
    from export.serving.servable import Options

    with contextlib.redirect_stdout(io.StringIO()):
        version = saved_model_writer.export(
            run, place / "saved_model", Options()
        )
    loaded = tf.saved_model.load(str(version))

    def encode(images: np.ndarray) -> np.ndarray:
        # Asked of `loaded` each time: a signature alone does not keep alive
        # the variables that it reads.
        embed = loaded.signatures[SIGNATURE]
        return embed(**{INPUT: tf.constant(images)})[OUTPUT].numpy()

    return encode


def compare(
    encoders: dict[str, Encoder],
    images: np.ndarray,
    batch_size: int,
    repeats: int,
) -> dict[str, dict[str, float]]:
    """Speed of each encoder, and its distance from the first.

    Args:
        encoders: Each from uint8 [B, S, S, 3] to float32 [B, D].
        images: uint8 [N, S, S, 3].
        batch_size: B; the last batch may be smaller.
        repeats: Turns of each.

    Returns:
        For each name `images_per_second`, the best, and
        `largest_difference`, absolute, of any embedding's component.
    """
    import numpy as np

    starts = range(0, len(images), batch_size)
    batches = [images[start : start + batch_size] for start in starts]

    def embed(encoder: Encoder) -> np.ndarray:
        return np.concatenate([encoder(batch) for batch in batches])

    # The first turn traces and warms up; it does not count.
    embeddings = {name: embed(encoder) for name, encoder in encoders.items()}
    seconds = {name: [] for name in encoders}
    for _ in range(repeats):
        for name, encoder in encoders.items():
            began = time.perf_counter()
            embed(encoder)
            seconds[name].append(time.perf_counter() - began)
    first = next(iter(embeddings.values()))
    return {
        name: {
            "images_per_second": len(images) / min(seconds[name]),
            "largest_difference": float(np.abs(embeddings[name] - first).max()),
        }
        for name in encoders
    }


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The figures in Markdown."""
    lines = [
        "| encoder | images/s | largest difference from Keras |",
        "|---|---|---|",
    ]
    lines += [
        f"| {name} | {row['images_per_second']:,.0f} | "
        f"{row['largest_difference']:.1e} |"
        for name, row in rows.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    cli.run(main)
