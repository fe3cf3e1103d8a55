"""Provides the batches for the steps of a training loop.

Either the host makes them in a `tf.data` pipeline, in parallel with training,
or all images lie on the device and each step gathers its own by index.
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

    Three functions are traced for each step: `find` once for all replicas of a
    process, `select` on each replica, and `load` inside the compiled step,
    with the result of `select`.
    """

    def begin(self, epoch: int) -> tuple[Any, ...]:
        """Returns the arguments of `find` for all steps of an epoch.

        Args:
            epoch: The number of the epoch, from 0.
        """

    def find(self, number: tf.Tensor, *arguments: Any) -> tuple[Any, ...]:
        """Returns the inputs of a step for all replicas together.

        Args:
            number: int32 [], the number of the step in its epoch, from 0.
            *arguments: The values that `begin` returned.
        """

    def select(self, *found: Any) -> tuple[Any, ...]:
        """Returns the inputs of a step for one replica.

        Args:
            *found: The replica's part of the values that `find` returned.
        """

    def load(self, *selected: Any) -> Any:
        """Returns the argument of the model's `train_step`.

        Args:
            *selected: The values that `select` returned.
        """


class HostBatches:
    """A source of the batches of a `tf.data` set, which the host computes.

    Args:
        dataset: The batches of all epochs to come. With several processes,
            each batch is this process' part; with one, it is for all devices.
        processes: The process group of the model's strategy.
    """

    def __init__(
        self, dataset: tf.data.Dataset, processes: ProcessGroup
    ) -> None:
        self._dataset = spread(dataset, processes)

    @functools.cached_property
    def _iterator(self) -> Any:
        return iter(self._dataset)

    def begin(self, epoch: int) -> tuple[Any, ...]:
        del epoch  # The iterator continues into the next epoch by itself.
        return (self._iterator,)

    def find(self, number: tf.Tensor, *arguments: Any) -> tuple[Any, ...]:
        del number
        return (next(arguments[0]),)

    def select(self, *found: Any) -> tuple[Any, ...]:
        return found

    def load(self, *selected: Any) -> Any:
        return selected[0]


class DeviceBatches:
    """A source of batches from images that lie on each device as a whole.

    Only an epoch's order, N × 8 bytes, is sent to the devices. The random
    numbers for the views are drawn there by the same generator as on the host,
    so the views are equal up to rounding: on a CPU, XLA's views are within
    0.001 of 255 levels of those of a pipeline. A GPU multiplies in
    TensorFloat-32 by TensorFlow's default, which changes a pixel by 0.06
    levels on average and by at most 1.5. For comparison, Pillow, which the
    views are modelled on, rounds to whole levels several times.

    Args:
        split: A split of N images in memory, all of one size.
        view: The recipe of a view, which the model's augmenter makes.
        batch_size: The number of images in a batch, over all replicas.
        seed: The run's random seed.
        processes: The process group of the model's strategy.
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
        # This is compiled because without XLA a GPU cannot gather uint8: the
        # images would be copied to the host and back.
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
        """Returns the images and an epoch's order and random numbers.

        Args:
            epoch: The number of the epoch, from 0.

        Returns:
            Images uint8 [N, H, W, C], order int64 [N], draws float32 [N, D].
        """
        with tf.device("CPU:0"):
            # A shuffle sorts random keys, and another device might order equal
            # keys in another way.
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
        """Returns this replica's sample numbers, int64 [b], images and draws.

        Args:
            number: int32 [], the number of the step in its epoch, from 0.
            images: uint8 [N, H, W, C], all images.
            order: int64 [N], the sample numbers in the order of the epoch.
            draws: float32 [N, D], the random numbers of the epoch's views.
        """
        start = number * self._batch_size
        count = tf.minimum(self._batch_size, self._size - start)
        for index, parts in self._shares():
            first, end = part(count, index, parts)
            start, count = start + first, end - first
        return order[start : start + count], images, draws

    def load(
        self, sample_ids: tf.Tensor, images: tf.Tensor, draws: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Returns the augmenter's inputs and the sample numbers, int64 [b]."""
        inputs = {
            "images": self._gather(images, sample_ids),
            "draws": tf.gather(draws, sample_ids),
        }
        return inputs, sample_ids

    def _shares(self) -> list[tuple[int, int]]:
        """Returns this replica's part of a batch, as nested (index, count).

        A batch is split over the processes first, and each part over the
        devices of its process. Splits into one part are left out.
        """
        processes, devices = self._processes, len(self._processes.devices)
        context = tf.distribute.get_replica_context()
        place = context.replica_id_in_sync_group
        shares = [(processes.index, processes.size), (place % devices, devices)]
        return [share for share in shares if share[1] > 1]

    def _on_devices(self, make: Callable[[], tf.Tensor]) -> Any:
        """Makes a tensor on each device of this process by calling `make`."""
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
    """Distributes the batches of a data set over the devices of a process.

    Args:
        dataset: The batches of this process, see `HostBatches`.
        processes: The process group of the model's strategy.
    """
    if processes.alone and not processes.several:
        return prefetched(dataset)
    # TensorFlow's own way to split a batch may leave a device without an image
    # of the last batch, where batch normalisation has no statistics.
    # The data set repeats, so that no step has to ask all devices whether they
    # have data left; the loop knows the number of steps.
    local = split_batches(dataset, len(processes.devices)).repeat()
    return processes.strategy.distribute_datasets_from_function(lambda _: local)


def prefetched(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Copies batches to the GPU in advance, if there is a GPU."""
    gpus = tf.config.list_logical_devices("GPU")
    if not gpus:
        return dataset
    to_device = tf.data.experimental.prefetch_to_device(gpus[0].name, 2)
    return dataset.apply(to_device)


def split_batches(dataset: tf.data.Dataset, count: int) -> tf.data.Dataset:
    """Splits each batch into `count` batches, one for each device."""
    if count == 1:
        return dataset

    def parts(*batch: Any) -> tf.data.Dataset:
        size = tf.shape(tf.nest.flatten(batch)[0])[0]

        def of(i: tf.Tensor) -> Any:
            start, stop = part(size, i, count)
            return tf.nest.map_structure(lambda a: a[start:stop], batch)

        return tf.data.Dataset.range(count, output_type=tf.int32).map(of)

    return dataset.flat_map(parts)
