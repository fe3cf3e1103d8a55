"""Runs the loop over epochs and steps, and calls the callbacks around them.

Keras' `fit` fetches the logs of every step to the host, whether a callback
needs them or not, so a GPU waits for Python between any two steps. This loop
gives the device many steps at once, in one `tf.function`, and fetches metrics
only when a callback reads them. Callbacks are those of Keras, and are called
as `fit` calls them with `steps_per_execution`: `on_train_batch_end` comes after
each group of steps, with the number of its last step.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from and_tf.data.step_batches import StepBatches

# The time that a group of steps should take on an accelerator: long enough that
# the wait at its end does not matter, short enough for Ctrl-C.
GROUP_SECONDS = 1.0


class LazyLogs(Mapping[str, float]):
    """The metrics of an epoch so far; reading one waits for the device.

    Args:
        model: The model. Its `get_metrics_result` is called once, when a
            metric is first read.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    @functools.cached_property
    def _values(self) -> dict[str, float]:
        results = self._model.get_metrics_result()
        return {name: float(value) for name, value in results.items()}

    def __getitem__(self, name: str) -> float:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __bool__(self) -> bool:
        return True  # Reading the metrics would wait for the device.


class GroupSizes:
    """A chooser of the number of steps that the device gets at a time.

    Args:
        fixed: The number of steps. 0 chooses: one step on a CPU, where steps
            are long; on an accelerator as many as take about `GROUP_SECONDS`.
        accelerated: Whether the model trains on accelerators.
        clock: Returns the time in seconds from any fixed moment.

    Attributes:
        size: The number of steps in the next group.
    """

    def __init__(
        self,
        fixed: int = 0,
        accelerated: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.size = fixed or 1
        self._adapts = accelerated and not fixed
        self._clock = clock
        self._began = clock()

    def begin(self) -> None:
        """Starts the clock of a group."""
        self._began = self._clock()

    def end(self, count: int, wait: Callable[[], Any]) -> None:
        """Chooses the size of the next group by the time of this one.

        Args:
            count: The number of steps in this group.
            wait: Waits until the device has done the group; called only if
                the time is needed.
        """
        if not self._adapts:
            return
        wait()
        seconds = max(self._clock() - self._began, 1e-6)
        wanted = int(count * GROUP_SECONDS / seconds)
        # The size grows in stages, as the times of the first groups include
        # compilation or little work.
        self.size = max(1, min(wanted, 4 * count))


def fit(
    model: keras.Model,
    batches: StepBatches,
    callbacks: Sequence[keras.callbacks.Callback],
    *,
    epochs: int,
    steps: int,
    first_epoch: int = 0,
    first_step: int = 0,
    sizes: GroupSizes | None = None,
    boundary: int = 0,
) -> None:
    """Trains a compiled model, epoch after epoch.

    Args:
        model: A built model with a `train_step`.
        batches: The source of the batches.
        callbacks: The callbacks, called in this order. Their
            `params["steps"]` is the number of steps left in the epoch.
        epochs: The number of epochs in all, with those trained before.
        steps: The number of steps in a whole epoch.
        first_epoch: The number of epochs that were trained before.
        first_step: The number of steps of the next epoch that were done
            before.
        sizes: Chooses the number of steps in a group; None means one step.
        boundary: No group crosses a multiple of this number of steps in an
            epoch; 0 sets no boundary.
    """
    sizes = sizes or GroupSizes()
    run = step_function(model, batches)
    model.stop_training = False
    heard = _Callbacks(model, callbacks, epochs)
    heard.set_steps(steps - first_step)
    heard("on_train_begin", {})
    logs = {}
    for epoch in range(first_epoch, epochs):
        start = first_step if epoch == first_epoch else 0
        heard.set_steps(steps - start)
        model.reset_metrics()
        heard("on_epoch_begin", epoch, {})
        arguments = batches.begin(epoch)
        first = start
        # As in Keras' loop, a callback may stop training within an epoch.
        while first < steps and not model.stop_training:
            last = _end(first, steps, sizes.size, boundary)
            heard("on_train_batch_begin", first - start, {})
            sizes.begin()
            run(first, last, arguments)
            sizes.end(last - first, functools.partial(_wait, model))
            heard("on_train_batch_end", last - 1 - start, LazyLogs(model))
            first = last
        logs = dict(LazyLogs(model))
        heard("on_epoch_end", epoch, logs)
        if model.stop_training:
            break
    heard("on_train_end", logs)


class _Callbacks:
    """The callbacks of a training, called without reading the logs.

    Args:
        model: The model that is trained.
        callbacks: The callbacks, called in this order.
        epochs: The number of epochs in all, for their `params`.
    """

    def __init__(
        self,
        model: keras.Model,
        callbacks: Sequence[keras.callbacks.Callback],
        epochs: int,
    ) -> None:
        self._callbacks, self._epochs = callbacks, epochs
        for callback in callbacks:
            callback.set_model(model)

    def set_steps(self, left: int) -> None:
        """Sets the number of steps left in an epoch in `params`."""
        for callback in self._callbacks:
            callback.set_params(
                {"epochs": self._epochs, "steps": left, "verbose": 0}
            )

    def __call__(self, event: str, *arguments: Any) -> None:
        for callback in self._callbacks:
            getattr(callback, event)(*arguments)


def step_function(
    model: keras.Model, batches: StepBatches
) -> Callable[[int, int, tuple], None]:
    """Makes a function that trains some steps without waiting for them.

    With one replica and `jit_compile`, which Keras sets on a GPU, XLA compiles
    all that a step does with its batch. With several replicas, a model itself
    compiles the part of its step in which replicas exchange nothing, see
    `Pretext.compiles_locally`.

    Args:
        model: A model with a `train_step`.
        batches: The source of the batches.

    Returns:
        A function of the number of the first step in its epoch, the number
        after the last step, and what `batches.begin` returned.
    """
    strategy = model.distribute_strategy
    if not model.optimizer.built:
        with strategy.scope():
            model.optimizer.build(model.trainable_variables)

    def train(*selected: Any) -> None:
        model.train_step(batches.load(*selected))

    if model.jit_compile and strategy.num_replicas_in_sync == 1:
        train = tf.function(
            train, autograph=False, jit_compile=True, reduce_retracing=True
        )

    def on_replica(*found: Any) -> None:
        train(*batches.select(*found))

    def step(number: tf.Tensor, *arguments: Any) -> None:
        strategy.run(on_replica, args=batches.find(number, *arguments))

    @tf.function(autograph=False, reduce_retracing=True)
    def several(first: tf.Tensor, last: tf.Tensor, *arguments: Any) -> None:
        def one(number: tf.Tensor) -> tf.Tensor:
            step(number, *arguments)
            return number + 1

        tf.while_loop(
            lambda number: number < last, one, [first], parallel_iterations=1
        )

    single = tf.function(step, autograph=False, reduce_retracing=True)

    def run(first: int, last: int, arguments: tuple) -> None:
        # TensorFlow keeps int32 on the host, so the loop runs there and does
        # not ask the device whether it has come to its end.
        begin = tf.constant(first, tf.int32)
        if last - first == 1:
            single(begin, *arguments)
        else:
            several(begin, tf.constant(last, tf.int32), *arguments)

    return run


def _end(first: int, steps: int, size: int, boundary: int) -> int:
    """Returns the number of the step after a group's last one."""
    last = min(first + size, steps)
    if boundary:
        last = min(last, (first // boundary + 1) * boundary)
    return last


def _wait(model: keras.Model) -> None:
    """Waits until the device has done the steps that it was given."""
    int(model.optimizer.iterations)
