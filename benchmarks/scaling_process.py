"""One measurement of `benchmarks.scaling`, in a process of its own.

How many devices a CPU is cut into is fixed when TensorFlow starts, and two
trainings of other shapes under MirroredStrategy do not share a process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

from absl import flags

from and_tf.utils import cli

cli.import_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from and_tf import AND, backbones  # noqa: E402
from and_tf.method.optimizers import CoupledSGD  # noqa: E402
from benchmarks.counting_ops import CountingOps  # noqa: E402

_TASK = flags.DEFINE_string(
    "task", "", "What to measure, JSON as `benchmarks.scaling` writes it."
)


@dataclasses.dataclass(frozen=True)
class Task:
    """What is measured.

    Attributes:
        measure: "time" or "bytes".
        replicas: R.
        shard: Whether the bank is in parts.
        backbone: Of `and_tf.backbones`.
        image_size: S.
        embedding_dim: D.
        num_examples: N.
        batch_size: b, images a replica and step.
        steps: Steps that are timed.
    """

    measure: str
    replicas: int
    shard: bool
    backbone: str
    image_size: int
    embedding_dim: int
    num_examples: int
    batch_size: int
    steps: int


def main(argv: Sequence[str]) -> None:
    """Prints a line of JSON."""
    del argv
    tf.get_logger().setLevel("ERROR")
    task = Task(**json.loads(_TASK.value))
    function = {"time": timed, "bytes": counted}[task.measure]
    print(json.dumps(function(task)))


def timed(task: Task) -> dict[str, Any]:
    """Seconds of a step, with the exchanges and without.

    Both do the same work; without, each replica takes copies of its own
    tensors for those of the others. The two take turns.
    """
    names = devices(task.replicas)
    if not names:
        return {"devices": []}
    strategy = tf.distribute.get_strategy()
    if task.replicas > 1:
        strategy = tf.distribute.MirroredStrategy(names)
    together = traced_step(strategy, task)
    with alone():
        apart = traced_step(strategy, task)
    seconds = {together: [], apart: []}
    for turn in range(task.steps + 2):
        for step, times in seconds.items():
            start = time.perf_counter()
            step().numpy()
            if turn > 1:  # The first ones allocate.
                times.append(time.perf_counter() - start)
    return {
        "devices": names,
        "seconds": statistics.median(seconds[together]),
        "seconds_alone": statistics.median(seconds[apart]),
    }


def counted(task: Task) -> dict[str, Any]:
    """(kind, bytes) of what a step exchanges; nothing is run."""
    operations = CountingOps()
    strategy = tf.distribute.MirroredStrategy(
        cut_cpu(task.replicas), cross_device_ops=operations
    )
    traced_step(strategy, task)
    return {
        "exchanges": [
            dataclasses.astuple(exchange) for exchange in operations.exchanges
        ]
    }


def devices(count: int) -> list[str]:
    """GPUs where there are any, else parts of the CPU; [] for too many."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return cut_cpu(count)
    return [f"GPU:{i}" for i in range(count)] if count <= len(gpus) else []


def cut_cpu(count: int) -> list[str]:
    """Logical devices, all of which run on the same cores."""
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * count,
    )
    return [f"CPU:{i}" for i in range(count)]


def traced_step(
    strategy: tf.distribute.Strategy, task: Task
) -> Callable[[], tf.Tensor]:
    """A training step on images that are there already, traced once."""
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = AND(
            backbones.build(
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
    """(images, numbers), other ones on each replica."""
    rng = np.random.default_rng(0)
    size, side = task.batch_size, task.image_size
    numbers = rng.permutation(task.num_examples)[: size * task.replicas]

    def images(context: tf.distribute.InputReplicaContext) -> tf.Tensor:
        del context
        return tf.random.uniform((size, side, side, 3), maxval=255.0)

    def own(context: tf.distribute.InputReplicaContext) -> tf.Tensor:
        first = context.replica_id_in_sync_group * size
        return tf.constant(numbers[first : first + size])

    spread = strategy.experimental_distribute_values_from_function
    return spread(images), spread(own)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Steps traced herein exchange no tensors.

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


if __name__ == "__main__":
    cli.run(main)
