"""Reads the arrays of Keras' weights files, without building the model inside.

A `.weights.h5` file has a group "vars" for each layer, in groups that are
named after classes and counted: "layers/conv2d_3/vars/0". The layer's own name
is an attribute. A `.keras` file is a zip archive with such a file in it.
"""

from __future__ import annotations

import io
import pathlib
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

import h5py
import keras
import numpy as np

SUFFIXES = (".weights.h5", ".keras")
_MEMBER = "model.weights.h5"
_MOST_TIMES = 16  # Of its file's size, that the member may take.
_RANDOM = "seed_generator"  # The states of random numbers are no weights.


class Entry(NamedTuple):
    """An array of a file.

    Attributes:
        named: Its place by the names of the layers around it, such as
            "stem_conv/0"; the name of the model is left out.
        array: The array.
    """

    named: str
    array: np.ndarray


def read(path: pathlib.Path) -> dict[str, Entry]:
    """Reads all arrays of a file.

    Args:
        path: A `.weights.h5` or `.keras` file.

    Returns:
        The arrays by their places in the file, "layers/conv2d/vars/0".

    Raises:
        DAMAGE: If the file is damaged or of another kind; see
            `and_tf.utils.archives`.
    """
    if path.suffix != ".keras":
        with path.open("rb") as file:
            return _read(file, path.stat().st_size)
    with zipfile.ZipFile(path) as archive:
        if _MEMBER not in archive.namelist():
            raise ValueError(f"it has no {_MEMBER}")
        size = archive.getinfo(_MEMBER).file_size
        if size > _MOST_TIMES * path.stat().st_size:
            raise ValueError(f"its {_MEMBER} is larger than it can be")
        return _read(io.BytesIO(archive.read(_MEMBER)), size)


def matched(
    own: Mapping[str, Entry], received: Mapping[str, Entry]
) -> dict[str, np.ndarray]:
    """Finds the arrays for a model in another one's file.

    Args:
        own: The arrays in a file of the model.
        received: The arrays in the other file.

    Returns:
        The arrays that were received, by the places of the model's own. They
        are found by the names of layers; and if one is missing, all by their
        places, as names such as conv2d_7 count the layers of a process.
    """
    by_name = {entry.named: entry.array for entry in received.values()}
    if not all(entry.named in by_name for entry in own.values()):
        if set(own) <= set(received):
            return {place: received[place].array for place in own}
    return {
        place: by_name[entry.named]
        for place, entry in own.items()
        if entry.named in by_name
    }


def paths(model: keras.Model, own: Mapping[str, Entry]) -> dict[str, str]:
    """Names the arrays in a model's own file after its variables.

    Args:
        model: The model.
        own: The arrays in its file.

    Returns:
        Paths such as "stem_conv/kernel" by place, in the order of the layers.
    """
    layers = {layer.name: layer for layer in model.layers}
    order = {name: number for number, name in enumerate(layers)}
    found, orders = {}, {}
    for place, entry in own.items():
        layer, _, number = entry.named.partition("/")
        orders[place] = order.get(layer, len(order))
        weights = layers[layer].weights if layer in layers else ()
        if number.isdecimal() and int(number) < len(weights):
            number = weights[int(number)].name
        found[place] = f"{layer}/{number}"
    return dict(sorted(found.items(), key=lambda item: orders[item[0]]))


def _read(file: BinaryIO, size: int) -> dict[str, Entry]:
    with h5py.File(file, "r") as content:
        found = list(_walk(content, "", "", set()))
        # Keras does not compress; what claims to be more would be a bomb.
        if sum(dataset.nbytes for *_, dataset in found) > size:
            raise ValueError("its arrays are larger than the file")
        return {
            place: Entry(named, dataset[()])
            for place, named, dataset in found
            if _RANDOM not in place
        }


def _walk(
    group: Any, place: str, named: str, seen: set[Any]
) -> Iterator[tuple[str, str, Any]]:
    """Yields place, named place and dataset of each array in a group."""
    for key in group:
        # A link to another file could read any file of this machine.
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise ValueError(f"its {place}{key} is a link")
        value = group[key]
        if value.id in seen:  # A walk through groups in themselves never ends.
            raise ValueError(f"its {place}{key} is in it twice")
        seen.add(value.id)
        if isinstance(value, h5py.Dataset):
            if value.is_virtual or value.external:
                raise ValueError(f"its {place}{key} lies in another file")
            yield f"{place}{key}", f"{named}{key}", value
        elif isinstance(value, h5py.Group):
            inner = named if key == "vars" else f"{named}{_name(value)}"
            yield from _walk(value, f"{place}{key}/", inner, seen)


def _name(group: Any) -> str:
    """Returns the name of a layer; nothing for a list of layers."""
    own = group.get("vars")
    name = own.attrs.get("name") if isinstance(own, h5py.Group) else None
    return f"{name}/" if isinstance(name, str) else ""
