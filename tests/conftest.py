"""What several tests share."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import tensorflow as tf

from and_tf.search import device, packing

# Two devices for the tests of distribution, on any machine. It has to be said
# before TensorFlow first uses the CPU.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)

GOLDEN = pathlib.Path(__file__).parents[2] / "shared" / "golden"


@pytest.fixture
def golden() -> Callable[[str], Mapping[str, np.ndarray]]:
    """Reads values that the papers' authors' own code gave.

    They lie beside the project, in ../shared/golden, and are no part of it:
    where they are missing, the tests that hold against them are skipped, and
    the NumPy oracles of the same tests files still stand.
    """
    if not GOLDEN.is_dir():
        pytest.skip("../shared/golden is not beside this checkout")

    def read(name: str) -> Mapping[str, np.ndarray]:
        with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as values:
            return dict(values)

    return read


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(params=["CPU", "accelerator"])
def where(request, monkeypatch) -> str:
    """Has searches go the way of a CPU, and that of an accelerator.

    The latter runs on CPUs, too; it is only not chosen there.
    """
    if request.param == "accelerator":
        monkeypatch.setattr(device, "on_cpu", lambda: False)
    return request.param


@pytest.fixture
def fetches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes that an accelerator's search brings to the host."""
    shapes, fetch = [], packing.fetch

    def noting(tensor: tf.Tensor) -> np.ndarray:
        shapes.append(tuple(tensor.shape))
        return fetch(tensor)

    monkeypatch.setattr(packing, "fetch", noting)
    return shapes


def unit(array: np.ndarray) -> np.ndarray:
    """Rows of [n, d] at norm 1."""
    return array / np.linalg.norm(array, axis=-1, keepdims=True)


def tensor_sizes(function: tf.types.experimental.ConcreteFunction) -> list[int]:
    """Elements of every tensor in a traced function, loops' bodies included.

    Those of unknown size are left out.
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
