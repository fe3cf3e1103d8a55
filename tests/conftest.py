"""Defines fixtures and functions that several tests share."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import tensorflow as tf

from and_tf.search import device, packing

# The tests of distribution need two devices on any machine. They have to be
# configured before TensorFlow first uses the CPU.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)

GOLDEN = pathlib.Path(__file__).parents[2] / "shared" / "golden"


@pytest.fixture
def golden() -> Callable[[str], Mapping[str, np.ndarray]]:
    """Returns a function that reads values computed by the authors' own code.

    The files in `GOLDEN` lie outside of this repository. If they are missing,
    the tests that compare with them are skipped; the other tests of the same
    files compare with NumPy.
    """
    if not GOLDEN.is_dir():
        pytest.skip("the golden values are not beside this checkout")

    def read(name: str) -> Mapping[str, np.ndarray]:
        with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as values:
            return dict(values)

    return read


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(params=["CPU", "accelerator"])
def where(request, monkeypatch) -> str:
    """Runs a test with the search for CPUs and with that for accelerators.

    The latter also works on CPUs, where it would not be chosen.
    """
    if request.param == "accelerator":
        monkeypatch.setattr(device, "on_cpu", lambda: False)
    return request.param


@pytest.fixture
def fetches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Records the shapes that an accelerator's search fetches to the host."""
    shapes, fetch = [], packing.fetch

    def noting(tensor: tf.Tensor) -> np.ndarray:
        shapes.append(tuple(tensor.shape))
        return fetch(tensor)

    monkeypatch.setattr(packing, "fetch", noting)
    return shapes


def unit(array: np.ndarray) -> np.ndarray:
    """Scales the rows of [n, d] to norm 1."""
    return array / np.linalg.norm(array, axis=-1, keepdims=True)


def tensor_sizes(function: tf.types.experimental.ConcreteFunction) -> list[int]:
    """Returns the number of elements of every tensor in a traced function.

    The bodies of loops are included; tensors of unknown size are left out.
    """
    outer = function.graph
    library = outer.as_graph_def().library.function
    inner = [outer._get_function(f.signature.name).graph for f in library]
    sizes = [
        output.shape.num_elements()
        for graph in (outer, *inner)
        for op in graph.get_operations()
        for output in op.outputs
        if output.shape.rank is not None
    ]
    return [size for size in sizes if size]
