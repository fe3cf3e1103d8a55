"""Hold the peers' network against this project's, before they are compared."""

from __future__ import annotations

import pathlib

import numpy as np

from and_tf.utils.errors import InputError
from benchmarks.harness.programs import Launcher
from benchmarks.peers.setting import BACKBONE, FEATURES, WIDTH

TOLERANCE = 1e-5
SIZES = (32, 24)  # Of clean images and of views, in pixels.
COUNT = 8


def check(launcher: Launcher, place: pathlib.Path) -> float:
    """Compute features of the same images from the same weights by both.

    Args:
        launcher: Starts processes in the peers' environment.
        place: A directory for files.

    Returns:
        The largest difference, as a share of the largest feature.

    Raises:
        InputError: If it is above `TOLERANCE`.
    """
    place.mkdir(parents=True, exist_ok=True)
    ours, theirs = place / "ours.npz", place / "theirs.npz"
    launcher.call(write, path=str(ours))
    arguments = ["-m", "benchmarks.peers.torch_features", str(ours)]
    launcher.run([*arguments, str(theirs)], place / "log.txt")
    with np.load(ours) as expected, np.load(theirs) as found:
        apart = max(
            float(np.abs(found[name] - expected[name]).max())
            / float(np.abs(expected[name]).max())
            for name in (f"features_{size}" for size in SIZES)
        )
    if not apart <= TOLERANCE:
        raise InputError(
            "Expected the network of the peers to compute what ours does, "
            f"within {TOLERANCE:g}. Received: {apart:.3g} apart."
        )
    return apart


def write(path: str) -> None:
    """Write random weights, images, and the features that Keras computes.

    Args:
        path: An .npz file. Weights go by the names of PyTorch's, with the
            prefix "weights/"; images_S are uint8 [b, S, S, 3], features_S
            float32 [b, F].
    """
    from and_tf import encoders
    from and_tf.encoders import heads

    generator = np.random.default_rng(0)
    arrays, weights = {}, None
    for size in SIZES:
        encoder = encoders.build(BACKBONE, size, width=WIDTH, features=FEATURES)
        trunk, _ = heads.split(encoder)
        # Of a view's size it is the same network again.
        weights = weights or [
            _drawn(generator, w.path, w.shape) for w in trunk.weights
        ]
        trunk.set_weights(weights)
        shape = (COUNT, size, size, 3)
        images = generator.integers(0, 256, shape, np.uint8)
        arrays[f"images_{size}"] = images
        arrays[f"features_{size}"] = trunk(images, training=False).numpy()
    for weight, value in zip(trunk.weights, weights, strict=True):
        layer, kind = weight.path.split("/")[-2:]
        name, value = _as_torch(kind, value)
        arrays[f"weights/layers.{layer}.{name}"] = value
    np.savez(path, **arrays)


def _drawn(
    generator: np.random.Generator, name: str, shape: tuple[int, ...]
) -> np.ndarray:
    """Draw weights of a size that keeps features near 1."""
    if len(shape) == 4:
        deviation = float(np.prod(shape[:-1])) ** -0.5
        return generator.normal(0, deviation, shape).astype(np.float32)
    low, high = (-0.5, 0.5) if name.endswith(("beta", "mean")) else (0.5, 1.5)
    return generator.uniform(low, high, shape).astype(np.float32)


def _as_torch(kind: str, value: np.ndarray) -> tuple[str, np.ndarray]:
    names = {
        "kernel": "weight",
        "gamma": "weight",
        "beta": "bias",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    }
    if kind == "kernel":
        value = value.transpose(3, 2, 0, 1)
    return names[kind], value
