"""Compare a run's encoder as Keras runs it with each of its exports."""

from __future__ import annotations

import atexit
import functools
import pathlib
import shutil
import statistics
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.harness.comparison import (
    Case,
    Comparison,
    Side,
    Work,
    rate,
    seconds,
)
from benchmarks.speed import sides
from export.tensor_names import INPUT, OUTPUT, SIGNATURE

if TYPE_CHECKING:
    from and_tf.data.split import ImageData
    from and_tf.training.run import Run

Encoder = Callable[[np.ndarray], np.ndarray]
WARM_UP = 10  # Calls that do not count.
CALIBRATION_IMAGES = 500


def embed(
    threads: int,
    form: str,
    run_dir: str,
    data_dir: str,
    images: int,
    batch_size: int,
) -> Work:
    """Prepare an encoder that embeds a run's images.

    Args:
        threads: For one call.
        form: A key of `FORMS`.
        run_dir: The run's directory.
        data_dir: Where its data set lies; "" for where it was.
        images: How many, of the test split.
        batch_size: Images a call; the last batch may be smaller.
    """
    sides.start_tensorflow(threads)
    from and_tf.training.run import Run

    run = Run(pathlib.Path(run_dir), data_dir=data_dir)
    data = run.images
    views = clean_views(data, run.image_size, images)
    place = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    encoder = FORMS[form](run, data, place)
    starts = range(0, len(views), batch_size)
    batches = [views[start : start + batch_size] for start in starts]

    def whole() -> np.ndarray:
        return np.concatenate([encoder(batch) for batch in batches])

    return Work(rate(whole, len(views)), lambda: {"embeddings": whole()})


def clean_views(data: ImageData, image_size: int, count: int) -> np.ndarray:
    """Return the first clean views of the test split, else of the other.

    Args:
        data: A run's data set.
        image_size: S.
        count: How many; fewer where the split has fewer.

    Returns:
        uint8 [count, S, S, 3].
    """
    from and_tf.data.pipeline import clean_batches

    batches = clean_batches(data.test or data.train, image_size, count)
    images, _ = next(batches.as_numpy_iterator())
    return images


def _keras(
    run: Run,
    data: ImageData,
    place: pathlib.Path,
    jit_compile: bool = False,
) -> Encoder:
    """Compile the encoder, which is faster than `predict`."""
    del data, place
    import tensorflow as tf

    @tf.function(jit_compile=jit_compile)
    def encode(images: tf.Tensor) -> tf.Tensor:
        return run.encoder(images, training=False)

    return lambda images: encode(tf.constant(images)).numpy()


def _saved_model(run: Run, data: ImageData, place: pathlib.Path) -> Encoder:
    """Export the run and load what was written."""
    del data
    import tensorflow as tf

    from export.serving import saved_model_writer
    from export.serving.servable import Options

    version = saved_model_writer.export(run, place / "saved_model", Options())
    loaded = tf.saved_model.load(str(version))

    def encode(images: np.ndarray) -> np.ndarray:
        # Asked of `loaded` each time: a signature alone does not keep alive
        # the variables that it reads.
        signature = loaded.signatures[SIGNATURE]
        return signature(**{INPUT: tf.constant(images)})[OUTPUT].numpy()

    return encode


def _tflite(
    run: Run, data: ImageData, place: pathlib.Path, mode: str
) -> Encoder:
    from export.tflite.encoder import TFLiteEncoder

    return TFLiteEncoder(write_tflite(run, data, mode, place))


FORMS: dict[str, Callable[..., Encoder]] = {
    "Keras": _keras,
    "Keras, XLA": functools.partial(_keras, jit_compile=True),
    "SavedModel": _saved_model,
    "TFLite float32": functools.partial(_tflite, mode="none"),
    "TFLite int8": functools.partial(_tflite, mode="int8"),
}


def write_tflite(
    run: Run,
    data: ImageData,
    mode: str,
    place: pathlib.Path,
    calibration_images: int = CALIBRATION_IMAGES,
) -> pathlib.Path:
    """Convert an encoder.

    Args:
        run: Its run.
        data: The run's data set.
        mode: One of `export.tensor_names.MODES`.
        place: The file's directory.
        calibration_images: Training images for int8.
    """
    from export.tflite import calibration
    from export.tflite.conversion import convert

    path = place / f"{mode}.tflite"
    if mode == "int8":
        split = calibration.draw(
            data.train, calibration_images, run.config.seed
        )
        path.write_bytes(calibration.convert_int8(run, split))
    else:
        path.write_bytes(convert(run.encoder, mode))
    return path


def call_tflite(
    threads: int, path: str, images: np.ndarray, calls: int
) -> Work:
    """Prepare a .tflite file; the median of its calls' milliseconds.

    Args:
        threads: For one call.
        path: The file.
        images: uint8 [B, S, S, 3], the batch of every call.
        calls: Calls in a turn.
    """
    from export.tflite.encoder import TFLiteEncoder

    one = seconds(
        functools.partial(TFLiteEncoder(pathlib.Path(path), threads), images),
        scale=1e3,
    )
    for _ in range(WARM_UP):
        one()
    return Work(lambda: statistics.median(one() for _ in range(calls)))


def of_run(
    run_dir: str, data_dir: str, images: int, batch_size: int
) -> Comparison:
    """Make the comparison of a run's exports; for arguments see `embed`."""
    return Comparison(
        name="inference",
        title=f"Embedding images, {run_dir}",
        does=(
            f"Up to {images:,} test images, already decoded and of the "
            f"encoder's size, in batches of {batch_size}. The difference is "
            "the largest of an embedding's numbers from Keras'."
        ),
        unit="images/s",
        sides=[Side(form, embed, {"form": form}) for form in FORMS],
        cases=[
            Case(
                f"batches of {batch_size}",
                {
                    "run_dir": run_dir,
                    "data_dir": data_dir,
                    "images": images,
                    "batch_size": batch_size,
                },
            )
        ],
        tolerance=float("inf"),  # int8 rounds; what it costs is told.
        distance=lambda expected, found: float(np.abs(found - expected).max()),
    )
