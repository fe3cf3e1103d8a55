"""Trace training steps on several replicas: their time, their exchanges.

How many devices a CPU is cut into is fixed when TensorFlow starts, and two
trainings of other shapes under MirroredStrategy do not share a process.

A traced step names every tensor that it exchanges. How large these are
depends on the network, the batch and the number of replicas, and on nothing
else, so they are counted on CPU devices, where nothing has to run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from and_tf import AND, encoders
from and_tf.method.optimizers import CoupledSGD
from benchmarks.harness.comparison import Work
from benchmarks.speed.traffic import Exchange


@dataclasses.dataclass(frozen=True)
class Task:
    """Describes a training step.

    Attributes:
        replicas: R.
        shard: Whether the bank is in parts.
        backbone: A name of `and_tf.encoders`.
        image_size: S.
        num_examples: N.
        batch_size: b, images a replica and step.
        steps: Steps that are timed.
        embedding_dim: D.
    """

    replicas: int
    shard: bool
    backbone: str
    image_size: int
    num_examples: int
    batch_size: int
    steps: int = 0
    embedding_dim: int = 128


def timed(task: Task, alone: bool) -> Work:
    """Trace a step, whose median time is then measured, in milliseconds.

    Args:
        task: Which step.
        alone: Whether each replica takes copies of its own tensors for those
            of the others. Otherwise the same work is done.
    """
    strategy = tf.distribute.get_strategy()
    if task.replicas > 1:
        strategy = tf.distribute.MirroredStrategy(devices(task.replicas))
    with without_exchanges() if alone else contextlib.nullcontext():
        step = traced_step(strategy, task)
    for _ in range(2):  # The first ones allocate.
        step().numpy()

    def median() -> float:
        times = []
        for _ in range(task.steps):
            start = time.perf_counter()
            step().numpy()
            times.append(time.perf_counter() - start)
        return 1e3 * statistics.median(times)

    return Work(median)


def exchanges(task: Task) -> list[Exchange]:
    """Return what a step exchanges; nothing is run."""
    operations = CountingOps()
    strategy = tf.distribute.MirroredStrategy(
        cut_cpu(task.replicas), cross_device_ops=operations
    )
    traced_step(strategy, task)
    return operations.exchanges


def devices(count: int) -> list[str]:
    """Return GPUs where there are any, otherwise parts of the CPU."""
    if tf.config.list_physical_devices("GPU"):
        return [f"GPU:{i}" for i in range(count)]
    return cut_cpu(count)


def cut_cpu(count: int) -> list[str]:
    """Make logical devices, all of which run on the same cores."""
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * count,
    )
    return [f"CPU:{i}" for i in range(count)]


def traced_step(
    strategy: tf.distribute.Strategy, task: Task
) -> Callable[[], tf.Tensor]:
    """Trace a training step on images that are there already."""
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = AND(
            encoders.build(
                task.backbone,
                image_size=task.image_size,
                embedding_dim=task.embedding_dim,
            ),
            task.num_examples,
            shard_bank=task.shard,
        )
        model.compile(CoupledSGD(0.03))
        model.optimizer.build(model.trainable_variables)
    batch = _batch(strategy, task)

    @tf.function(autograph=False)
    def step() -> tf.Tensor:
        results = strategy.run(model.train_step, (batch,))
        return strategy.experimental_local_results(results["loss"])[0]

    return step.get_concrete_function()


def _batch(strategy: tf.distribute.Strategy, task: Task) -> tuple:
    """Return images and their numbers, other ones on each replica."""
    rng = np.random.default_rng(0)
    size, side = task.batch_size, task.image_size
    sample_ids = rng.permutation(task.num_examples)[: size * task.replicas]

    def images(context: tf.distribute.InputReplicaContext) -> tf.Tensor:
        del context
        return tf.random.uniform((size, side, side, 3), maxval=255.0)

    def own(context: tf.distribute.InputReplicaContext) -> tf.Tensor:
        first = context.replica_id_in_sync_group * size
        return tf.constant(sample_ids[first : first + size])

    spread = strategy.experimental_distribute_values_from_function
    return spread(images), spread(own)


@contextlib.contextmanager
def without_exchanges() -> Iterator[None]:
    """Let steps that are traced meanwhile exchange no tensors.

    What Keras does to keep its own variables alike stays: each update is
    waited for, which moves a few numbers.
    """

    def all_reduce(context, reduce_op, value, options=None):
        del context, reduce_op, options
        return tf.nest.map_structure(tf.identity, value)

    def all_gather(context, value, axis, options=None):
        del options
        return tf.concat([value] * context.num_replicas_in_sync, axis)

    kind = tf.distribute.ReplicaContext
    with (
        mock.patch.object(kind, "all_reduce", all_reduce),
        mock.patch.object(kind, "all_gather", all_gather),
    ):
        yield


class CountingOps(tf.distribute.ReductionToOneDevice):
    """Exchanges as its base class does, and notes what.

    Attributes:
        exchanges: In the order in which they were traced.
    """

    def __init__(self) -> None:
        super().__init__()
        self.exchanges: list[Exchange] = []
        self._inside = False

    @contextlib.contextmanager
    def _noted(self, kind: str, value: Any) -> Iterator[None]:
        """Note an exchange, and none of those that carry it out.

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
        """Add up."""
        with self._noted("all-reduce", value):
            return super().reduce_implementation(
                reduce_op, value, destinations, options
            )

    def _gather_implementation(self, value, destinations, axis, options):
        """Put side by side."""
        with self._noted("gather", value):
            return super()._gather_implementation(
                value, destinations, axis, options
            )

    def broadcast(self, tensor, destinations):
        """Give every replica the first one's."""
        with self._noted("broadcast", tensor):
            return super().broadcast(tensor, destinations)
