"""Ask an exported model from several threads at once, each after its answer.

In a closed loop, a client sends its next request when it has the answer to the
last. So the load is the number of clients, and never more requests wait.
"""

from __future__ import annotations

import concurrent.futures
import io
import itertools
import math
import pathlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.speed import sides

if TYPE_CHECKING:
    import tensorflow as tf

Ask = Callable[[], Any]
PERCENTILES = (50, 95, 99)
MOST_REQUESTS = 20_000
_LEAST = 8  # Requests of each client.
_QUALITY = 90  # Of JPEG files.


def drive(ask: Ask, clients: int, requests: int) -> tuple[float, np.ndarray]:
    """Send requests from several threads at once.

    Args:
        ask: Sends a request and waits for its answer.
        clients: The number of threads C.
        requests: The number of requests of all together, at least C.

    Returns:
        The seconds from the first request to the last answer, and those of
        each request, float64 [requests].
    """
    left = itertools.count(requests, -1)  # Drawing from it is atomic.

    def client() -> list[tuple[float, float]]:
        spans = []
        while next(left) > 0:
            begun = time.perf_counter()
            ask()
            spans.append((begun, time.perf_counter()))
        return spans

    with concurrent.futures.ThreadPoolExecutor(clients) as threads:
        futures = [threads.submit(client) for _ in range(clients)]
        spans = np.array([span for f in futures for span in f.result()])
    begun, ended = spans.T
    return float(ended.max() - begun.min()), ended - begun


def summary(wall: float, latencies: np.ndarray, batch: int) -> dict[str, Any]:
    """Return the figures of a load.

    Args:
        wall: The seconds of all requests together.
        latencies: The seconds of each request, [requests].
        batch: The number of images in a request.

    Returns:
        "images_per_second", the number of "requests", and percentiles of
        their milliseconds, "p50", "p95" and "p99"; None for one above which
        there is no whole request.
    """
    count = len(latencies)
    milliseconds = 1e3 * np.percentile(latencies, PERCENTILES)
    return {
        "requests": count,
        "images_per_second": count * batch / wall,
        **{
            f"p{p}": float(value) if count * (100 - p) >= 100 else None
            for p, value in zip(PERCENTILES, milliseconds, strict=True)
        },
    }


def measure(
    path: str,
    signatures: Sequence[str],
    batches: Sequence[int],
    clients: Sequence[int],
    *,
    seconds: float,
    threads: int,
    side: int,
    file_side: int,
) -> list[dict[str, Any]]:
    """Load a SavedModel and measure each load; for a process of its own.

    Args:
        path: The directory of the SavedModel.
        signatures: The names of signatures. Those that end in "_bytes" get
            JPEG files, others pixels of the encoder's size.
        batches: Numbers of images in a request.
        clients: Numbers of clients.
        seconds: How long each load is to last, about.
        threads: The threads that TensorFlow may use.
        side: The side of pixels, in pixels.
        file_side: The side of the images in files.

    Returns:
        For each load its "signature", "batch", "clients" and `summary`.
    """
    sides.start_tensorflow(threads)
    import tensorflow as tf

    model = tf.saved_model.load(path)
    found = []
    for signature, batch in itertools.product(signatures, batches):
        files = signature.endswith("_bytes")
        value = _request(tf, batch, file_side if files else side, files)
        ask = _asking(model, signature, value)
        ask()  # Traces and allocates.
        for count in clients:
            print(
                f"{signature}, {batch} images, {count} clients", file=sys.stderr
            )
            row = {"signature": signature, "batch": batch, "clients": count}
            found.append({**row, **_measured(ask, batch, count, seconds)})
    return found


def _measured(
    ask: Ask, batch: int, clients: int, seconds: float
) -> dict[str, Any]:
    """Warm up, which tells how many requests fill the time; then measure."""
    wall, _ = drive(ask, clients, 4 * clients)
    wanted = 4 * seconds / wall  # Of each client.
    each = max(math.ceil(wanted), _LEAST)
    return summary(
        *drive(ask, clients, min(clients * each, MOST_REQUESTS)), batch
    )


def _asking(model: Any, signature: str, value: tf.Tensor) -> Ask:
    """Return a function that asks a loaded model for its first output."""
    function = model.signatures[signature]
    (name,) = function.structured_input_signature[1]

    def ask() -> np.ndarray:
        # Of `model`, as a signature alone does not keep its variables.
        found = model.signatures[signature](**{name: value})
        return next(iter(found.values())).numpy()

    return ask


def _request(tf: Any, batch: int, side: int, files: bool) -> tf.Tensor:
    """Return uint8 [batch, side, side, 3], or as many JPEG files."""
    images = list(pictures(batch, side))
    if not files:
        return tf.constant(np.stack(images))
    return tf.constant([encoded(image) for image in images], tf.string)


def pictures(count: int, side: int) -> Iterator[np.ndarray]:
    """Draw waves, uint8 [side, side, 3], whose files are as long as photos'.

    Args:
        count: The number of pictures.
        side: Their side, in pixels.
    """
    noise = np.random.default_rng(0)
    y, x, channel = np.ogrid[:side, :side, :3]
    for number in range(count):
        waves = np.sin(x / (9 + number % 5) + y / (11 + channel))
        grain = noise.normal(0, 6, (side, side, 3))
        yield np.clip(128 + 90 * waves + grain, 0, 255).astype(np.uint8)


def encoded(image: np.ndarray) -> bytes:
    """Return an image as a JPEG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def export(path: str, encoder: str, image_size: int) -> None:
    """Export an untrained encoder, which is as fast as a trained one.

    For a process of its own.

    Args:
        path: The directory to write.
        encoder: One of `and_tf.encoders.NAMES`.
        image_size: The side of its images, in pixels.
    """
    sides.start_tensorflow(1)
    import tempfile
    import types

    import tensorflow as tf

    from and_tf import encoders
    from export.serving.servable import Options, Servable

    run = types.SimpleNamespace(
        encoder=encoders.build(encoder, image_size), image_size=image_size
    )
    with tempfile.TemporaryDirectory() as assets:
        model = Servable(run, Options(), None, pathlib.Path(assets))
        tf.saved_model.save(model, path, signatures=model.functions)
