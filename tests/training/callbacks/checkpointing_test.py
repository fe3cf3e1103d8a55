"""When checkpoints are due, and how they are written beside training."""

from __future__ import annotations

import concurrent.futures
import signal
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

import and_tf
from and_tf.training.callbacks.checkpointing import Recorder, state
from and_tf.training.checkpoint import Checkpoint, Checkpoints
from and_tf.training.run_directory import RunDirectory
from and_tf.utils import atomic_files
from and_tf.utils.errors import InputError, Interrupted
from and_tf.utils.signals import Interruption
from tests.method.model_test import mlp
from tests.small_run import digits

STEPS = 10


def build() -> and_tf.AND:
    keras.utils.set_random_seed(1)
    model = and_tf.AND(mlp(4, 5, 3), 20, seed=1)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    model.optimizer.build(model.trainable_variables)
    return model


@pytest.fixture(scope="module")
def model() -> and_tf.AND:
    return build()


def arrays_of(model: and_tf.AND) -> dict[str, list[np.ndarray]]:
    """Copies of all that a checkpoint holds."""
    return {
        group: [np.array(variable) for variable in variables]
        for group, variables in state(model).items()
    }


class Training:
    """Drives a recorder as a loop would, by a clock of its own.

    Args:
        model: What is kept.
        path: The run's directory.
        epochs: That there are to be.
        **options: Of `Recorder`.
    """

    def __init__(self, model, path, epochs=6, **options) -> None:
        self.now, self.kept = 1000.0, []
        self.directory = RunDirectory(path)
        self.recorder = Recorder(
            self.directory,
            {"said": "so"},
            options.pop("history", []),
            clock=lambda: self.now,
            **options,
        )
        self.recorder.set_model(model)
        self._epochs = epochs
        # Of the epoch that is taken up, steps that were done before.
        self._step = self._first = options.get("first_step", 0)
        self.epoch = len(self.recorder.history)

    def steps(self, count: int, seconds: float = 0.0) -> None:
        """Does some steps of the present epoch, as one group."""
        self.recorder.set_params(
            {"epochs": self._epochs, "steps": STEPS - self._first}
        )
        self._step += count
        self.now += seconds
        self.recorder.on_train_batch_end(self._step - self._first - 1, {})
        self._look()

    def epochs(self, *seconds: float, knn: float | None = None) -> None:
        """Ends some epochs, each after so many seconds."""
        for each in seconds:
            self.recorder.set_params({"epochs": self._epochs, "steps": STEPS})
            self.now += each
            logs = {"loss": 1.0} | ({} if knn is None else {"knn_bank": knn})
            self._step = self._first = 0
            self.epoch += 1
            self.recorder.on_epoch_end(self.epoch - 1, logs)
            self._look()

    def _look(self) -> None:
        """Notes (epochs, step) of a checkpoint that has been written."""
        paths = self.directory.checkpoints.paths()
        if paths and paths[-1].stem not in [stem for stem, _ in self.kept]:
            found = Checkpoint(paths[-1])
            self.kept.append((paths[-1].stem, (found.epochs, found.step)))

    @property
    def moments(self) -> list[tuple[int, int]]:
        """All checkpoints that there were, in order."""
        return [moment for _, moment in self.kept]


def test_every_epoch_where_no_seconds_are_asked_for(model, tmp_path):
    training = Training(model, tmp_path, epochs=3)
    training.epochs(0, 0, 0)
    assert training.moments == [(1, 0), (2, 0), (3, 0)]


def test_seconds_between_checkpoints(model, tmp_path):
    """Counted from the last one; the last epoch has one in any case."""
    training = Training(model, tmp_path, epochs=7, every_seconds=60)
    training.epochs(59, 1, 40, 19, 1, 10, 1)
    assert training.moments == [(2, 0), (5, 0), (7, 0)]


def test_epochs_between_checkpoints(model, tmp_path):
    training = Training(model, tmp_path, epochs=7, every_epochs=3)
    training.epochs(*[1] * 7)
    assert training.moments == [(3, 0), (6, 0), (7, 0)]


def test_epochs_and_seconds_have_both_to_pass(model, tmp_path):
    training = Training(
        model, tmp_path, epochs=9, every_epochs=2, every_seconds=60
    )
    training.epochs(100, 1, 1, 70, 1, 1)
    assert training.moments == [(2, 0), (4, 0)]


def test_epochs_are_counted_from_where_a_run_goes_on(model, tmp_path):
    before = [{"epoch": 0, "loss": 1.0}]
    training = Training(
        model, tmp_path, epochs=9, every_epochs=2, history=before
    )
    training.epochs(1, 1, 1)
    assert training.moments == [(3, 0)]
    assert [row["epoch"] for row in before] == [0, 1, 2, 3]


def test_ends_of_rounds_are_kept_whatever_the_clock_says(model, tmp_path):
    training = Training(
        model, tmp_path, epochs=9, every_seconds=1e6, ends=(2, 5), kept=(4,)
    )
    training.epochs(*[1] * 9)
    assert training.moments == [(2, 0), (4, 0), (5, 0), (9, 0)]
    # Of these, what stays is what is kept for good, and the last two.
    found = [path.stem for path in training.directory.checkpoints.paths()]
    assert found == ["epoch_00004", "epoch_00005", "epoch_00009"]


def test_the_best_epoch_so_far_is_kept(model, tmp_path):
    training = Training(model, tmp_path, epochs=9, every_seconds=1e6)
    for knn in (0.2, 0.1, 0.3, 0.3, None, 0.25):
        training.epochs(1, knn=knn)
    assert training.moments == [(1, 0), (3, 0)]
    training.epochs(*[1] * 3)
    assert training.moments[2:] == [(9, 0)]
    assert training.directory.checkpoints.best(3).epochs == 3


def test_an_early_end_keeps_the_last_epoch_and_only_once(model, tmp_path):
    training = Training(model, tmp_path, epochs=9, every_seconds=60)
    training.epochs(61, 1)
    training.recorder.on_train_end({})
    training._look()
    assert training.moments == [(1, 0), (2, 0)]
    written = training.directory.checkpoints.paths()[-1].stat().st_mtime_ns
    training.recorder.on_train_end({})
    training.directory.checkpoints.wait()
    assert (
        training.directory.checkpoints.paths()[-1].stat().st_mtime_ns == written
    )


def test_within_epochs_steps_and_seconds_have_to_pass(model, tmp_path):
    training = Training(
        model, tmp_path, every=4, every_seconds=60, every_epochs=9
    )
    training.steps(4, 59)
    training.steps(2, 5)
    training.steps(2, 1)  # Step 8, 65 s after the beginning.
    assert training.moments == [(0, 8)]
    training.steps(2, 100)  # The last one: the epoch's end keeps it.
    assert training.moments == [(0, 8)]


def test_steps_are_those_of_the_whole_epoch_where_it_is_taken_up(
    model, tmp_path
):
    training = Training(model, tmp_path, every=4, first_step=3, every_epochs=9)
    training.steps(1)
    training.steps(3)
    training.steps(1)
    assert training.moments == [(0, 4), (0, 8)]
    training.steps(2)
    training.epochs(0)
    training.steps(4)
    assert training.moments[-1] == (1, 4)


@pytest.mark.parametrize(
    ("within", "moment", "words"),
    [
        (True, (1, 3), "kept up to step 3 of epoch 2"),
        (False, (2, 0), "kept up to epoch 2"),
    ],
)
def test_a_signal_is_heard_between_steps(
    model, tmp_path, within, moment, words
):
    interruption = Interruption()
    training = Training(
        model,
        tmp_path,
        every=4,
        every_seconds=1e6,
        interruption=interruption,
    )
    training.epochs(1)
    training.steps(2)
    assert training.moments == []
    interruption.signal_number = signal.SIGTERM
    with pytest.raises(Interrupted, match=words) as caught:
        training.steps(1) if within else training.epochs(1)
    assert caught.value.exit_code == 128 + signal.SIGTERM
    training._look()
    assert training.moments == [moment]
    rows = training.directory.metrics.read_text().splitlines()
    assert len(rows) == 1 + moment[0]


def test_a_process_that_does_not_write_leaves_nothing(model, tmp_path):
    interruption = Interruption()
    training = Training(
        model, tmp_path, writes=False, interruption=interruption
    )
    training.epochs(1, 1)
    interruption.signal_number = signal.SIGINT
    with pytest.raises(Interrupted, match="first process of the run"):
        training.steps(1)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_carries_history_notes_and_seconds(model, tmp_path):
    training = Training(model, tmp_path, seconds=100.0)
    training.epochs(20)
    found = training.directory.checkpoints.latest()
    assert found.metadata["said"] == "so" and found.metadata["seconds"] == 120.0
    assert found.metadata["history"] == [{"epoch": 0, "loss": 1.0}]
    for group, variables in state(model).items():
        arrays = found.arrays(group)
        for array, variable in zip(arrays, variables, strict=True):
            np.testing.assert_array_equal(array, variable)


class HeldWriter:
    """`files.write`, kept from its work until it is let go.

    Args:
        patch: pytest's.
        fails: The error that it raises instead of writing.
    """

    def __init__(self, patch, fails: Exception | None = None) -> None:
        self.go, self.began = threading.Event(), threading.Event()
        self.fails, self._write = fails, atomic_files.write
        patch.setattr(atomic_files, "write", self)

    def __call__(self, path, *arguments) -> None:
        if path.suffix != ".npz":
            self._write(path, *arguments)
            return
        self.began.set()
        assert self.go.wait(60)
        if self.fails:
            raise self.fails
        self._write(path, *arguments)


def save(checkpoints: Checkpoints, model: keras.Model, epochs: int) -> None:
    checkpoints.save(epochs, state(model), {}, beside=True)


@pytest.mark.parametrize(
    "read",
    [
        lambda kept: kept.paths()[-1].stem,
        lambda kept: kept.latest().path.stem,
        lambda kept: kept.best(1).path.stem,
        lambda kept: (kept.wait(), "epoch_00001")[1],
    ],
    ids=["paths", "latest", "best", "wait"],
)
def test_readers_wait_for_what_is_being_written(
    model, tmp_path, monkeypatch, read
):
    writer = HeldWriter(monkeypatch)
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, model, 1)  # Returns, while the writer is held.
    assert writer.began.wait(60)
    assert list(tmp_path.iterdir()) == []
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        reading = threads.submit(read, checkpoints)
        with pytest.raises(concurrent.futures.TimeoutError):
            reading.result(0.05)
        writer.go.set()
        assert reading.result(60) == "epoch_00001"
    assert (tmp_path / "epoch_00001.npz").is_file()


def test_a_checkpoint_is_of_the_moment_at_which_it_was_asked_for(
    tmp_path, monkeypatch
):
    """Whatever training does to the variables while it is being written."""
    model = build()
    step = tf.function(model.train_step, autograph=False)
    rng = np.random.default_rng(0)
    batch = rng.normal(size=(6, 4)).astype(np.float32), np.arange(6)
    step(batch)
    writer = HeldWriter(monkeypatch)
    checkpoints = Checkpoints(tmp_path)
    before = arrays_of(model)
    save(checkpoints, model, 1)
    assert writer.began.wait(60)
    for _ in range(3):
        step(batch)
    writer.go.set()
    found, after = checkpoints.latest(), arrays_of(model)
    for group, arrays in before.items():
        for one, two in zip(found.arrays(group), arrays, strict=True):
            np.testing.assert_array_equal(one, two)
    for changed in ("encoder", "method", "optimiser", "metrics"):
        assert any(
            (one != two).any()
            for one, two in zip(before[changed], after[changed], strict=True)
        )


FULL = atomic_files.unwritable("…/epoch_00002.npz", "No space left on device")


@pytest.mark.parametrize("ends", ["next", "closing", "signal", "reader"])
def test_a_full_disk_ends_the_training_and_loses_nothing(
    model, tmp_path, monkeypatch, ends
):
    interruption = Interruption()
    training = Training(model, tmp_path, interruption=interruption)
    training.epochs(1)
    first = training.directory.checkpoints.paths()[0].read_bytes()
    HeldWriter(monkeypatch, FULL).go.set()
    training._look = lambda: None  # It would ask for the error.

    def go_on() -> None:
        if ends == "closing":
            with training.recorder.closing():
                training.epochs(1)
            return
        training.epochs(1)
        if ends == "next":
            training.epochs(1)
        elif ends == "signal":
            interruption.signal_number = signal.SIGTERM
            training.steps(1)
        else:
            training.directory.checkpoints.latest()

    with pytest.raises(InputError, match="No space left.*Make room") as caught:
        go_on()
    assert caught.value is FULL
    monkeypatch.undo()
    (found,) = training.directory.checkpoints.paths()
    assert found.read_bytes() == first
    assert training.directory.checkpoints.latest().epochs == 1
    assert len(training.directory.metrics.read_text().splitlines()) >= 2


def test_an_error_of_training_is_not_hidden_by_one_of_the_writer(
    model, tmp_path, monkeypatch
):
    HeldWriter(monkeypatch, FULL).go.set()
    training = Training(model, tmp_path)
    training._look = lambda: None
    with pytest.raises(InputError) as caught, training.recorder.closing():
        training.epochs(1)
        raise InputError("the loss is no number")
    shown = [str(caught.value), str(caught.value.__context__)]
    assert "the loss is no number" in shown


def test_by_default_a_run_is_kept_once_a_minute_at_most(tmp_path):
    defaults = type(digits(tmp_path))()
    assert defaults.checkpoint_seconds == 60.0
    assert defaults.checkpoint_epochs == 1
