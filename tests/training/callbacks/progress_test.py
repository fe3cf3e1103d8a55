"""What a run says on the console."""

import io
import re

import keras
import numpy as np
import pytest

from and_tf.training.callbacks.progress import Progress
from tests.screen import Clock, Terminal


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


LOGS = {
    "loss": 5.3124,
    "round": 1,
    "learning_rate": 0.03,
    "images_per_second": 1523.4,
}


def test_an_epoch_is_one_line(clock: Clock) -> None:
    stream = io.StringIO()
    progress = Progress(50, 391, 4, 0, stream, clock)
    progress.on_train_begin()
    progress.on_epoch_begin(0)
    for step in range(391):
        clock.now += 0.05
        progress.on_train_batch_end(step, {"loss": 6.0})
    clock.now = 1030
    progress.on_epoch_end(0, LOGS | {"round": 0, "anchors": 0})
    progress.on_epoch_begin(1)
    clock.now = 1060
    progress.on_epoch_end(
        1,
        LOGS | {"knn_bank": 0.4513, "anchors": 12500, "consistency": 0.721},
    )
    progress.on_train_end()

    assert stream.getvalue().splitlines() == [
        "epoch  1/50  instance   loss  5.312  lr 0.030     1,523 images/s"
        "  ETA 24:30",
        "epoch  2/50  round 1/4  loss  5.312  lr 0.030     1,523 images/s"
        "  ETA 24:00  kNN bank 45.1 %  12,500 anchors (72.1 % consistent)",
    ]


def test_anchors_are_said_once_a_round(clock: Clock) -> None:
    stream = io.StringIO()
    progress = Progress(4, 1, 2, 0, stream, clock)
    for epoch, number in enumerate([1, 1, 2, 2]):
        progress.on_epoch_end(epoch, {"round": number, "anchors": 7 * number})

    assert ["anchors" in line for line in stream.getvalue().splitlines()] == [
        True,
        False,
        True,
        False,
    ]


def test_bank_and_clean_gallery_are_named(clock: Clock) -> None:
    stream = io.StringIO()
    progress = Progress(1, 1, 0, 0, stream, clock)
    progress.on_epoch_end(0, {"knn_clean": 0.5, "knn_bank": 0.25})
    assert stream.getvalue() == (
        "epoch 1/1  ETA 0:00  kNN bank 25.0 %  kNN clean 50.0 %\n"
    )


def test_the_eta_counts_this_process_alone(clock: Clock) -> None:
    """Epochs 41 to 43 take 10, 10 and 40 seconds: 20 each, 7 left."""
    stream = io.StringIO()
    progress = Progress(50, 5, 4, 40, stream, clock)
    progress.on_train_begin()
    for epoch, seconds in zip((40, 41, 42), (10, 10, 40), strict=True):
        progress.on_epoch_begin(epoch)
        clock.now += seconds
        progress.on_epoch_end(epoch, {})
    assert stream.getvalue().splitlines() == [
        "epoch 41/50  ETA 1:30",
        "epoch 42/50  ETA 1:20",
        "epoch 43/50  ETA 2:20",
    ]


def test_a_terminal_sees_a_bar_that_the_line_replaces(clock: Clock) -> None:
    stream = Terminal()
    progress = Progress(2, 4, 1, 0, stream, clock)
    progress.on_train_begin()
    progress.on_epoch_begin(0)
    clock.now += 3
    progress.on_train_batch_end(0, {"loss": 9.0})

    # 7 of the 8 steps are left, and the first took 3 seconds.
    assert stream.getvalue() == (
        "\repoch 1/2  [=======>" + " " * 22 + "] 1/4  loss 9.000  ETA 0:21"
    )
    assert len(stream.screen()[-1]) < 80

    clock.now += 9
    progress.on_epoch_end(0, {"loss": 8.0})
    progress.on_train_end()
    assert stream.screen() == ["epoch 1/2  loss  8.000  ETA 0:12", ""]


def test_a_shorter_bar_leaves_nothing_of_a_longer_one(clock: Clock) -> None:
    stream = Terminal()
    progress = Progress(100, 10, 1, 0, stream, clock)
    for step, seconds in ((0, 1000), (1, 1)):
        clock.now += seconds
        progress.on_train_batch_end(step, {"loss": 1.0})
        clock.now -= seconds - 0.2 * step
    progress.on_train_end()
    assert stream.screen() == [""]


def test_the_bar_moves_at_most_ten_times_a_second(clock: Clock) -> None:
    stream = Terminal()
    progress = Progress(1, 1000, 1, 0, stream, clock)
    progress.on_train_begin()
    for step in range(1000):
        clock.now += 1 / 512
        progress.on_train_batch_end(step, {})

    assert 15 <= stream.getvalue().count("\r") <= 20


def test_the_bar_fits_a_narrow_terminal(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Terminal()
    progress = Progress(9, 100, 1, 0, stream, clock)
    for columns in (60, 45, 20):
        monkeypatch.setenv("COLUMNS", str(columns))
        clock.now += 1
        progress.on_train_batch_end(50, {"loss": 2.0})
        last = stream.getvalue().split("\r")[-1].rstrip()
        assert len(last) < columns
        assert last.startswith("epoch 1/9  ")


@pytest.mark.parametrize("steps", [None, 0])
def test_unknown_steps_are_counted(clock: Clock, steps: int | None) -> None:
    stream = Terminal()
    progress = Progress(3, steps, 1, 0, stream, clock)
    clock.now += 5
    progress.on_train_batch_end(6, {"loss": 1.0})
    assert stream.screen() == ["epoch 1/3  step 7  loss 1.000  ETA ?"]


def test_without_a_terminal_there_is_no_bar(clock: Clock) -> None:
    stream = io.StringIO()
    progress = Progress(3, 5, 1, 0, stream, clock)
    clock.now += 5
    progress.on_train_batch_end(2, {"loss": 1.0})
    progress.on_train_end()
    assert stream.getvalue() == ""


def test_fit_prints_its_lines_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((8, 2), np.float32)
    model.fit(
        x,
        x[:, :1],
        batch_size=4,
        initial_epoch=1,
        epochs=3,
        verbose=0,
        callbacks=[Progress(3, 2, 1, first_epoch=1)],
    )
    out, err = capsys.readouterr()
    line = r"epoch {}/3  loss +\d+\.\d{{3}}  ETA \d+:\d\d\n"
    assert re.fullmatch(line.format(2) + line.format(3), out)
    assert err == ""
