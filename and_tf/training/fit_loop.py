"""The loop over epochs and steps, and the callbacks around them.

Keras' `fit` fetches the logs of every step to the host, whatever a callback
says, and so a GPU waits for Python between any two steps. This loop hands the
device many steps at once, in one `tf.function`, and reads a metric only when
somebody looks at it. Callbacks are Keras', and see what `fit` would show them
with `steps_per_execution`: `on_train_batch_end` after each group of steps,
with the number of its last one.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from and_tf.data.step_batches import StepBatches

# On an accelerator a group of steps is to take so many seconds: long enough
# that the wait at its end does not count, short enough for Ctrl-C.
GROUP_SECONDS = 1.0


class LazyLogs(Mapping[str, float]):
    """The metrics of an epoch so far; to read one is to wait for the device.

    Args:
        model: Its `get_metrics_result` is asked once, when first needed.
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
        return True  # Without a look.


class GroupSizes:
    """Chooses how many steps the device is given at a time.

    Args:
        fixed: So many; 0 chooses: one step on a CPU, where steps are long,
            and on an accelerator as many as take about `GROUP_SECONDS`.
        accelerated: Whether the model trains on accelerators.
        clock: Seconds from any fixed moment.

    Attributes:
        size: Steps of the next group.
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
        """Learns from a group how large the next one should be.

        Args:
            count: The group's steps.
            wait: Called if a time is to be measured; returns once the device
                has done the group.
        """
        if not self._adapts:
            return
        wait()
        seconds = max(self._clock() - self._began, 1e-6)
        wanted = int(count * GROUP_SECONDS / seconds)
        # Slowly up, as the first groups hold compilation or little work.
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
        model: With a `train_step`; built.
        batches: Where steps have their batches from.
        callbacks: What happens around the steps, in this order. In
            `params["steps"]` they find the steps that are left of the epoch.
        epochs: The number of epochs that there are to be in the end.
        steps: Steps of a whole epoch.
        first_epoch: Epochs that were trained before,
        first_step: and steps of the epoch after these.
        sizes: How many steps form a group; None is one.
        boundary: No group goes on past a multiple of so many steps of an
            epoch; 0 sets none.
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
        # As in Keras' loop, a callback may end an epoch before its end.
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
    """Tells callbacks what happens, without a look at the logs.

    Args:
        model: What is trained.
        callbacks: Who is told, in this order.
        epochs: For their `params`.
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
        """Puts the steps that are left of an epoch into `params`."""
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
    """Makes the function that trains some steps; it waits for none of them.

    With one replica and `jit_compile`, as Keras sets it on a GPU, what
    happens to a batch is compiled by XLA. Of several replicas, models compile
    the part of their step that has no word between replicas themselves, see
    `Pretext.compiles_locally`.

    Args:
        model: With a `train_step`.
        batches: Where steps have their batches from.

    Returns:
        Takes the number of the first step in its epoch, that after the last,
        and what `batches.begin` returned.
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
        # int32, which TensorFlow keeps on the host: the loop is driven from
        # there, and does not ask the device whether it is at its end.
        begin = tf.constant(first, tf.int32)
        if last - first == 1:
            single(begin, *arguments)
        else:
            several(begin, tf.constant(last, tf.int32), *arguments)

    return run


def _end(first: int, steps: int, size: int, boundary: int) -> int:
    """The step after a group's last one."""
    last = min(first + size, steps)
    if boundary:
        last = min(last, (first // boundary + 1) * boundary)
    return last


def _wait(model: keras.Model) -> None:
    """Returns once the device has done the steps that it was given."""
    int(model.optimizer.iterations)
