"""Gives the steps of a training loop their batches.

Either the host makes them, in a `tf.data` pipeline beside training, or the
images lie on the device and a step takes its own by index there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

import tensorflow as tf

from and_tf.augmentation import Recipe
from and_tf.data.pipeline import order_of_epoch
from and_tf.data.split import Split
from and_tf.distribution.process_group import ProcessGroup, part


class StepBatches(Protocol):
    """A source of batches for a training loop.

    The three functions of a step are traced, one after another: `find`
    before the replicas part, `select` on each of them, and `load` where the
    step is compiled, with what `select` returned.
    """

    def begin(self, epoch: int) -> tuple[Any, ...]:
        """Returns what the steps of an epoch need; to be handed to `find`."""

    def find(self, number: tf.Tensor, *arguments: Any) -> tuple[Any, ...]:
        """Returns what all replicas together need for a step of the epoch.

        Args:
            number: int32 [], the step, from 0.
            *arguments: What `begin` returned.
        """

    def select(self, *found: Any) -> tuple[Any, ...]:
        """Returns what one replica needs of it."""

    def load(self, *selected: Any) -> Any:
        """Returns what the model's `train_step` takes."""


class HostBatches:
    """Batches of a `tf.data` set, computed by the host ahead of time.

    Args:
        dataset: The batches of all epochs to come; of a team of one process
            those of all its devices, of several this process' part of them.
        processes: Of the model's strategy.
    """

    def __init__(
        self, dataset: tf.data.Dataset, processes: ProcessGroup
    ) -> None:
        self._dataset = spread(dataset, processes)

    @functools.cached_property
    def _iterator(self) -> Any:
        return iter(self._dataset)

    def begin(self, epoch: int) -> tuple[Any, ...]:
        del epoch  # The iterator goes on where it is.
        return (self._iterator,)

    def find(self, number: tf.Tensor, *arguments: Any) -> tuple[Any, ...]:
        del number
        return (next(arguments[0]),)

    def select(self, *found: Any) -> tuple[Any, ...]:
        return found

    def load(self, *selected: Any) -> Any:
        return selected[0]


class DeviceBatches:
    """Batches of images that lie on each device whole.

    Only an epoch's order, its numbers N × 8 bytes, goes to the devices; the
    uniforms that views are made from are drawn there, by the same generator
    as on the host. The views are therefore those of the host up to rounding:
    on a CPU XLA's are within 0.001 of 255 levels of those of a pipeline. A
    GPU multiplies in TensorFloat-32 by TensorFlow's default, which moves a
    pixel by 0.06 levels on average and by up to 1.5, where Pillow, that the
    views are modelled on, rounds to whole levels several times.

    Args:
        split: N images in memory, of one size.
        view: The recipe of a view, which the model's augmenter makes.
        batch_size: b, over all replicas.
        seed: The run's seed.
        processes: Of the model's strategy.
    """

    def __init__(
        self,
        split: Split,
        view: Recipe,
        *,
        batch_size: int,
        seed: int,
        processes: ProcessGroup,
    ) -> None:
        self._size, self._batch_size = split.size, batch_size
        self._seed, self._processes = seed, processes
        self._images = self._on_devices(lambda: tf.constant(split.images))
        # Compiled, for outside of XLA a GPU has no gathering of uint8: the
        # images would go to the host and back.
        self._gather = tf.function(
            lambda rows, sample_ids: tf.gather(rows, sample_ids),
            autograph=False,
            jit_compile=True,
            reduce_retracing=True,
        )
        self._draw = tf.function(
            lambda epoch: view.draw(seed, epoch, split.size), autograph=False
        )

    def begin(self, epoch: int) -> tuple[Any, ...]:
        """Images uint8 [N, H, W, 3], order int64 [N], draws float32 [N, D]."""
        with tf.device("CPU:0"):
            # A shuffle sorts, and of equal keys another device might put
            # another first.
            epoch = tf.constant(epoch, tf.int64)
            order = order_of_epoch(self._seed, epoch, self._size)
        return (
            self._images,
            self._on_devices(lambda: tf.identity(order)),
            self._on_devices(lambda: self._draw(epoch)),
        )

    def find(self, number: tf.Tensor, *arguments: Any) -> tuple[Any, ...]:
        return (number, *arguments)

    def select(
        self,
        number: tf.Tensor,
        images: tf.Tensor,
        order: tf.Tensor,
        draws: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:
        """Numbers int64 [b] of this replica's samples, images and draws."""
        start = number * self._batch_size
        count = tf.minimum(self._batch_size, self._size - start)
        for index, parts in self._shares():
            first, end = part(count, index, parts)
            start, count = start + first, end - first
        return order[start : start + count], images, draws

    def load(
        self, sample_ids: tf.Tensor, images: tf.Tensor, draws: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Returns the augmenter's inputs and the numbers of the samples."""
        inputs = {
            "images": self._gather(images, sample_ids),
            "draws": tf.gather(draws, sample_ids),
        }
        return inputs, sample_ids

    def _shares(self) -> list[tuple[int, int]]:
        """Parts of parts of a batch that are this replica's: (index, of)."""
        processes, devices = self._processes, len(self._processes.devices)
        context = tf.distribute.get_replica_context()
        place = context.replica_id_in_sync_group
        shares = [(processes.index, processes.size), (place % devices, devices)]
        return [share for share in shares if share[1] > 1]

    def _on_devices(self, make: Callable[[], tf.Tensor]) -> Any:
        """A tensor on each device of this process, made there."""
        if self._processes.alone:
            return make()

        def of(context: tf.distribute.ValueContext) -> tf.Tensor:
            local = context.replica_id_in_sync_group % len(
                self._processes.devices
            )
            with tf.device(self._processes.devices[local]):
                return make()

        strategy = self._processes.strategy
        return strategy.experimental_distribute_values_from_function(of)


def spread(dataset: tf.data.Dataset, processes: ProcessGroup) -> Any:
    """A data set whose elements are what each of a team's devices gets.

    Args:
        dataset: See `HostBatches`.
        processes: Of the model's strategy.
    """
    if processes.alone and not processes.several:
        return prefetched(dataset)
    # TensorFlow's own way to split a batch may leave a device without any
    # image of a last one, where batch normalisation has no statistics.
    # Endless, so that no step has to ask all devices whether they have any
    # data left; the loop knows the number of steps.
    local = split_batches(dataset, len(processes.devices)).repeat()
    return processes.strategy.distribute_datasets_from_function(lambda _: local)


def prefetched(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Has a GPU, where there is one, be given batches before it needs them."""
    gpus = tf.config.list_logical_devices("GPU")
    if not gpus:
        return dataset
    to_device = tf.data.experimental.prefetch_to_device(gpus[0].name, 2)
    return dataset.apply(to_device)


def split_batches(dataset: tf.data.Dataset, count: int) -> tf.data.Dataset:
    """Each batch as `count` batches, one for each device."""
    if count == 1:
        return dataset

    def parts(*batch: Any) -> tf.data.Dataset:
        size = tf.shape(tf.nest.flatten(batch)[0])[0]

        def of(i: tf.Tensor) -> Any:
            start, stop = part(size, i, count)
            return tf.nest.map_structure(lambda a: a[start:stop], batch)

        return tf.data.Dataset.range(count, output_type=tf.int32).map(of)

    return dataset.flat_map(parts)
