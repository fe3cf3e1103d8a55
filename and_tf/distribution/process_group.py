"""Splits host-side work over processes and devices, and gathers the results.

Beside training steps there is work that every replica could do alone, but that
is faster when shared: searching neighbours and embedding images. A process
group has the devices of one process or of several. If there is only one device,
it does all the work.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from and_tf.utils.errors import InputError

PIECE = 64 * 2**20  # Bytes sent at a time.
LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
)
Arrays = tuple[np.ndarray, ...]


class ProcessGroup:
    """The processes and devices of a strategy, for work beside training.

    All processes have to call the same methods in the same order.

    Args:
        strategy: The strategy; None takes the current one, which is one device
            by default.

    Attributes:
        strategy: The strategy.
        several: Whether the strategy spans processes, even if there is one.
        size: The number of processes.
        index: The number of this process, from 0.
        devices: The names of this process' devices; a single one is "", which
            means TensorFlow's default device.
    """

    def __init__(self, strategy: tf.distribute.Strategy | None = None) -> None:
        self.strategy = strategy or tf.distribute.get_strategy()
        self.several = _spans_processes(self.strategy)
        self.size, self.index = 1, 0
        self.devices: tuple[str, ...] = ("",)
        if self.several:
            resolver = self.strategy.cluster_resolver
            jobs = resolver.cluster_spec().as_dict()
            self.size = sum(map(len, jobs.values()))
            before = len(jobs.get("chief", ()))
            worker = resolver.task_type == "worker"
            self.index = resolver.task_id + (before if worker else 0)
        if self.strategy.num_replicas_in_sync > self.size:
            self.devices = tuple(self.strategy.extended.worker_devices)

    @property
    def chief(self) -> bool:
        """Returns whether this process is the one that writes and prints."""
        return self.index == 0

    @property
    def alone(self) -> bool:
        """Returns whether there is one device in all."""
        return self.strategy.num_replicas_in_sync == 1

    def span(self, total: int) -> tuple[int, int]:
        """Returns this process' part [start, stop) of `total` items."""
        return part(total, self.index, self.size)

    def share(
        self, function: Callable[[Sequence[Any]], Arrays], items: Sequence[Any]
    ) -> Arrays:
        """Calls a function on parts of `items`, one part on each device.

        Args:
            function: Takes some of the items, in order, and returns arrays
                that are concatenated along their first axes. With several
                devices it is called in threads.
            items: All items.

        Returns:
            The arrays that `function(items)` would return, on all processes.
        """
        if self.alone:
            return function(items)
        # A process without an item could not know the shape of its part.
        apart = self.size > 1 and len(items) >= self.size
        start, stop = self.span(len(items)) if apart else (0, len(items))
        arrays = self._on_devices(function, items[start:stop])
        return tuple(map(self.gather, arrays)) if apart else arrays

    def _on_devices(
        self, function: Callable[[Sequence[Any]], Arrays], items: Sequence[Any]
    ) -> Arrays:
        """Calls a function on parts of `items`, on this process' devices."""
        count = min(len(self.devices), len(items))
        if count < 2:
            return function(items)

        def on(i: int) -> Arrays:
            start, stop = part(len(items), i, count)
            with tf.device(self.devices[i]):
                return function(items[start:stop])

        with concurrent.futures.ThreadPoolExecutor(count) as threads:
            parts = list(threads.map(on, range(count)))
        return tuple(np.concatenate(a) for a in zip(*parts, strict=True))

    def gather(self, array: np.ndarray) -> np.ndarray:
        """Concatenates the arrays of all processes, on all processes.

        Args:
            array: [n, …], float32, float64, int32 or int64. n may be 0, and may
                differ between processes.
        """
        if self.size == 1:
            return array
        gather = _gatherer(
            self.strategy, len(self.devices), array.dtype, array.shape[1:]
        )
        return gather(array).numpy()

    def from_chief(self, array: np.ndarray) -> np.ndarray:
        """Returns the chief's array, on all processes.

        Args:
            array: The array. Of other processes' arrays, only the dtype and
                the shape of a row are used.
        """
        return self.gather(array if self.chief else array[:0])

    def bytes_from_chief(self, data: bytes = b"") -> bytes:
        """Returns the chief's bytes, on all processes."""
        if self.size == 1:
            return data
        length = int(self.from_chief(np.array([len(data)], np.int64))[0])
        received = io.BytesIO()
        for start in range(0, length, PIECE):
            piece = data[start : start + PIECE]
            # Collectives cannot send bytes, so they are padded to int32.
            padded = piece + bytes(-len(piece) % 4)
            sent = self.from_chief(np.frombuffer(padded, np.int32))
            received.write(sent.tobytes())
        return received.getvalue()[:length]

    def wait(self) -> None:
        """Waits until all processes have called it."""
        self.gather(np.zeros(1, np.int32))

    @contextlib.contextmanager
    def joined(self) -> Iterator[None]:
        """Silences all processes but the chief, and reports a lost process.

        Raises:
            InputError: If another process ended or cannot be reached.
        """
        if self.size == 1:
            yield
            return
        with contextlib.ExitStack() as stack:
            if not self.chief:
                nowhere = stack.enter_context(open(os.devnull, "w"))
                stack.enter_context(contextlib.redirect_stdout(nowhere))
                stack.enter_context(contextlib.redirect_stderr(nowhere))
            try:
                yield
            except LOST as error:
                if not _of_communication(error):
                    raise
                raise InputError(
                    f"At least one of the {self.size} processes of this run "
                    "ended or cannot be reached; its own output says why, if "
                    "it could. The run is kept up to its newest checkpoint: "
                    "start all processes again with --resume."
                ) from error


def _spans_processes(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether a strategy spans several processes."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return False
    return bool(strategy.cluster_resolver.cluster_spec())


def part(total: int, index: int, count: int) -> tuple[int, int]:
    """Returns part `index` of `count` parts, as [start, stop).

    The first parts are longer by one item if `count` does not divide `total`.

    Args:
        total: The number of items, as a number or an integer tensor.
        index: The number of the part, from 0.
        count: The number of parts.
    """
    least, more = total // count, total % count
    smaller = tf.minimum if tf.is_tensor(total) else min
    start, stop = (i * least + smaller(more, i) for i in (index, index + 1))
    return start, stop


@functools.cache
def _gatherer(
    strategy: tf.distribute.Strategy,
    devices: int,
    dtype: np.dtype,
    shape: tuple[int, ...],
) -> Callable[[np.ndarray], tf.Tensor]:
    """Makes the function that gathers the [n, *shape] of processes.

    It is traced once for each shape and dtype, while `Strategy.gather` would
    be traced anew at every call.
    """

    @tf.function(
        input_signature=[tf.TensorSpec([None, *shape], dtype)], autograph=False
    )
    def gather(array: tf.Tensor) -> tf.Tensor:
        def own() -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            # Only the first device of a process sends its array.
            first = context.replica_id_in_sync_group % devices == 0
            count = tf.where(first, tf.shape(array)[0], 0)
            return context.all_gather(array[:count], axis=0)

        return strategy.experimental_local_results(strategy.run(own))[0]

    return gather


def _of_communication(error: tf.errors.OpError) -> bool:
    """Returns whether an error came from communication between processes."""
    words = r"ollective|oordination|heartbeat|[Ss]ocket|/job:|connect"
    return bool(re.search(words, str(error)))
