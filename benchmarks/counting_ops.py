"""Notes what the replicas of a step exchange, as the step is traced.

A traced step names every tensor that it exchanges. How large these are
depends on the network, the batch and the number of replicas, and on nothing
else, so they are counted on CPU devices, where nothing has to run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from benchmarks.traffic import Exchange


class CountingOps(tf.distribute.ReductionToOneDevice):
    """Exchanges as the class above does, and notes what.

    Attributes:
        exchanges: In the order in which they were traced.
    """

    def __init__(self) -> None:
        super().__init__()
        self.exchanges: list[Exchange] = []
        self._inside = False

    @contextlib.contextmanager
    def _noted(self, kind: str, value: Any) -> Iterator[None]:
        """Notes an exchange, and none of those that carry it out.

        Shapes have to be static.
        """
        if self._inside:
            yield
            return
        part = tf.distribute.get_strategy().experimental_local_results(value)[0]
        # Of a slice of a variable, indices and values.
        tensors = tf.nest.flatten(part, expand_composites=True)
        sizes = [t.shape.num_elements() * t.dtype.size for t in tensors]
        self.exchanges.append(Exchange(kind, sum(sizes)))
        self._inside = True
        yield
        self._inside = False

    def reduce_implementation(self, reduce_op, value, destinations, options):
        """Adds up."""
        with self._noted("all-reduce", value):
            return super().reduce_implementation(
                reduce_op, value, destinations, options
            )

    def _gather_implementation(self, value, destinations, axis, options):
        """Puts side by side."""
        with self._noted("gather", value):
            return super()._gather_implementation(
                value, destinations, axis, options
            )

    def broadcast(self, tensor, destinations):
        """Gives everybody the first replica's."""
        with self._noted("broadcast", tensor):
            return super().broadcast(tensor, destinations)
