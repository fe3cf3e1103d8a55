"""The training loop, against single steps and against Keras' own."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import and_tf
from and_tf.data.step_batches import HostBatches
from and_tf.distribution.process_group import ProcessGroup
from and_tf.method.optimizers import CoupledSGD
from and_tf.training import fit_loop
from and_tf.training.callbacks.checkpointing import state
from and_tf.training.fit_loop import GroupSizes, LazyLogs
from tests.method.model_test import blobs, epochs_of, mlp

EPOCHS, NUM, BATCH = 3, 115, 20  # Six steps an epoch, the last of 15 images.
STEPS = 6


class Reads(and_tf.AND):
    """AND that counts how often its metrics are read from the outside."""

    tracing, reads = False, 0

    def train_step(self, data):
        self.tracing = True
        results = super().train_step(data)
        self.tracing = False
        return results

    def get_metrics_result(self):
        self.reads += not self.tracing
        return super().get_metrics_result()


class Events(keras.callbacks.Callback):
    """Notes what a callback is told, in order, and the numbers with it.

    Args:
        log: What it is noted in.
        stop: (epoch, step) at which it asks the training to stop.
        kill: (epoch, step) at which it ends it by an exception.
    """

    class Killed(Exception):
        pass

    def __init__(self, stop=None, kill=None) -> None:
        super().__init__()
        self.log, self.losses = [], []
        self._stop, self._kill = stop, kill

    def _note(self, event: str, *numbers: int, logs=None) -> None:
        known = {name: float(value) for name, value in (logs or {}).items()}
        self.log.append((event, *numbers, known, dict(self.params)))

    def on_train_begin(self, logs=None):
        self._note("train begin")

    def on_train_end(self, logs=None):
        self._note("train end", logs=logs)

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        self._note("epoch begin", epoch)

    def on_epoch_end(self, epoch, logs=None):
        self.losses.append(logs["loss"])
        self._note("epoch end", epoch, logs=logs)

    def on_train_batch_begin(self, batch, logs=None):
        self._note("batch begin", batch)

    def on_train_batch_end(self, batch, logs=None):
        self._note("batch end", batch, logs=logs)
        if (self._epoch, batch) == self._stop:
            self.model.stop_training = True
        if (self._epoch, batch) == self._kill:
            raise self.Killed


def build(**options) -> Reads:
    """The same model and the same anchors every time, compiled."""
    keras.utils.set_random_seed(3)
    model = Reads(mlp(10, 16, 8), NUM, neighbourhood_size=2, seed=3)
    rng = np.random.default_rng(1)
    model.neighbours.assign(rng.integers(0, NUM, (NUM, 2)))
    model.is_anchor.assign(rng.random(NUM) < 0.5)
    model.compile(CoupledSGD(0.03), **options)
    return model


def batches(first: int = 0):
    """Batches of all epochs; the first ones may be left out."""
    x, _ = blobs(np.random.default_rng(0), NUM)
    order = np.stack(
        [np.random.default_rng(e).permutation(NUM) for e in range(EPOCHS)]
    )
    return epochs_of(x, order, BATCH).skip(first)


def run(model: Reads, callbacks=(), first=(0, 0), **options) -> Reads:
    """Trains by the loop, from (epoch, step)."""
    fit_loop.fit(
        model,
        HostBatches(batches(first[0] * STEPS + first[1]), ProcessGroup()),
        callbacks,
        epochs=EPOCHS,
        steps=STEPS,
        first_epoch=first[0],
        first_step=first[1],
        **options,
    )
    return model


def keras_fit(model: Reads, callbacks=()) -> Reads:
    """Trains by Keras' loop."""
    model.fit(
        batches(),
        epochs=EPOCHS,
        steps_per_epoch=STEPS,
        callbacks=list(callbacks),
        shuffle=False,
        verbose=0,
    )
    return model


def assert_same(
    received: keras.Model, expected: keras.Model, atol: float = 0.0
) -> None:
    """Weights, bank, metrics and what the optimiser holds.

    Args:
        received, expected: Compiled models.
        atol: Also the relative tolerance; 0 is to the bit.
    """
    parts, others = (state(model) for model in (received, expected))
    for group, variables in others.items():
        for one, two in zip(parts[group], variables, strict=True):
            np.testing.assert_allclose(
                one, two, rtol=atol, atol=atol, err_msg=two.path
            )


def assert_told_the_same(received: Events, expected: Events) -> None:
    """Events, numbers and params exactly; logs as far as two graphs agree."""
    assert [(*e[:-2], e[-1]) for e in received.log] == [
        (*e[:-2], e[-1]) for e in expected.log
    ]
    for one, two in zip(received.log, expected.log, strict=True):
        assert one[-2] == pytest.approx(two[-2], abs=1e-5), two


@pytest.fixture(scope="module")
def single() -> tuple[Reads, Events]:
    """A training step by step, and what a callback saw of it."""
    events = Events()
    return run(build(), [events]), events


@pytest.mark.parametrize(
    ("size", "boundary", "ends"),
    [
        (1, 0, [0, 1, 2, 3, 4, 5]),
        (3, 0, [2, 5]),
        (4, 0, [3, 5]),
        (100, 0, [5]),
        (3, 2, [1, 3, 5]),
        (100, 4, [3, 5]),
        (2, 5, [1, 3, 4, 5]),
    ],
)
def test_groups_are_single_steps(single, size, boundary, ends):
    expected, one_by_one = single
    events = Events()
    sizes = GroupSizes(size)
    received = run(build(), [events], sizes=sizes, boundary=boundary)
    assert_same(received, expected)
    assert events.losses == one_by_one.losses
    told = [e[1] for e in events.log if e[0] == "batch end"]
    assert told == ends * EPOCHS
    begun = [e[1] for e in events.log if e[0] == "batch begin"]
    assert begun == [0, *(end + 1 for end in ends[:-1])] * EPOCHS
    # What is read at the end of a group is the mean up to there.
    means = {e[:2]: e[2] for e in one_by_one.log[:15] if e[0] == "batch end"}
    for event in events.log[: 2 * len(ends) + 2]:
        if event[0] == "batch end":
            assert event[2] == means[event[:2]]


@pytest.mark.parametrize("group", [1, 3])
def test_keras_own_loop_tells_the_same_and_trains_the_same(group):
    expected, received = Events(), Events()
    theirs = keras_fit(build(steps_per_execution=group), [expected])
    ours = run(build(), [received], sizes=GroupSizes(group))
    # TensorFlow may fuse the operations of two graphs in two ways.
    assert_same(ours, theirs, 1e-5)
    assert_told_the_same(received, expected)


def test_a_callback_that_stops_is_obeyed_as_by_keras():
    expected, received = Events(stop=(1, 2)), Events(stop=(1, 2))
    theirs = keras_fit(build(), [expected])
    ours = run(build(), [received])
    assert_same(ours, theirs, 1e-5)
    assert_told_the_same(received, expected)
    # And the next training does not begin with it.
    again = Events()
    run(ours, [again], first=(2, 0))
    assert [e[:2] for e in again.log if e[0] == "epoch end"] == [
        ("epoch end", 2)
    ]


@pytest.mark.parametrize(
    ("size", "told"),
    [(1, [0, 1, 2, 3, 0, 1, 2, 3, 4, 5]), (4, [0, 3, 2, 5])],
)
def test_goes_on_within_an_epoch(single, size, told):
    """From its third step; groups end at every third of a whole epoch."""
    expected, one_by_one = single
    model, events = build(), Events(kill=(1, 1))
    with pytest.raises(Events.Killed):
        run(model, [events])
    events = Events()
    run(model, [events], first=(1, 2), sizes=GroupSizes(size), boundary=3)
    assert_same(model, expected)
    assert [e[1] for e in events.log if e[0] == "batch end"] == told
    steps = [e[-1]["steps"] for e in events.log if e[0] == "epoch begin"]
    assert steps == [4, 6]
    assert events.log[0][-1]["steps"] == 4
    assert events.losses[-1] == one_by_one.losses[-1]


def test_metrics_are_read_once_an_epoch_where_nobody_looks():
    model = build()
    run(model, [keras.callbacks.Callback()])
    assert model.reads == EPOCHS


def test_logs_ask_the_model_once_and_when_read():
    class Model:
        asked = 0

        def get_metrics_result(self):
            self.asked += 1
            return {"loss": np.float32(2), "accuracy": np.float32(0.5)}

    model = Model()
    logs = LazyLogs(model)
    assert logs and (logs or {}) is logs
    assert model.asked == 0
    assert logs["loss"] == 2.0 and logs.get("none") is None
    assert dict(logs) == {"loss": 2.0, "accuracy": 0.5} and len(logs) == 2
    assert all(type(value) is float for value in logs.values())
    assert model.asked == 1


class Device:
    """A clock that a device's work moves.

    Args:
        seconds: Of a step.
        first: Of the first group, beside its steps: to compile.
    """

    def __init__(self, seconds: float, first: float = 0.0) -> None:
        self._seconds, self._first = seconds, first
        self.now, self.waits = 100.0, 0

    def groups(self, count: int, fixed: int = 0, accelerated: bool = True):
        """Sizes of the first groups."""
        sizes, found = GroupSizes(fixed, accelerated, lambda: self.now), []
        for _ in range(count):
            found.append(sizes.size)
            sizes.begin()
            self._left = sizes.size * self._seconds + self._first
            self._first = 0.0
            sizes.end(sizes.size, self._wait)
        return found

    def _wait(self) -> None:
        self.waits += 1
        self.now += self._left


def test_groups_grow_to_a_second():
    device = Device(1 / 128)
    assert device.groups(6) == [1, 4, 16, 64, 128, 128]
    assert device.waits == 6
    # However long it took to compile, and never less than a step.
    assert Device(1 / 128, 30.0).groups(6) == [1, 1, 4, 16, 64, 128]
    assert Device(4.0).groups(3) == [1, 1, 1]


def test_groups_shrink_where_steps_become_longer():
    clock = [0.0]
    sizes = GroupSizes(accelerated=True, clock=lambda: clock[0])
    sizes.begin()
    sizes.end(100, lambda: clock.__setitem__(0, 4.0))
    assert sizes.size == 25


def test_a_size_that_is_given_and_that_of_a_cpu_stay():
    for fixed, accelerated, size in [
        (7, True, 7),
        (7, False, 7),
        (0, False, 1),
    ]:
        device = Device(1 / 128)
        assert device.groups(3, fixed, accelerated) == [size] * 3
        assert device.waits == 0
