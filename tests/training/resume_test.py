"""Runs that were interrupted, and runs that are not to be gone on with."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal

import numpy as np
import pytest

from and_tf.training import results, train_callbacks, trainer
from and_tf.training.run import Run
from and_tf.training.run_directory import RunDirectory
from and_tf.utils.errors import InputError, Interrupted
from tests.same_run import assert_same_run
from tests.small_run import Stop, digits, evaluate_knn, folder, interrupted

# The epoch and the step in which a run of 5 steps an epoch ends, with a
# checkpoint after every second step, and those of the checkpoint that is kept.
ENDS = [
    ((0, 3), (0, 2)),  # In the first epoch, of instance learning,
    ((1, 0), (1, 0)),  # between its epochs,
    ((2, 0), (2, 0)),  # where round 1 begins,
    ((2, 3), (2, 2)),  # in its first epoch,
    ((3, 4), (3, 4)),  # in its last, just after a checkpoint,
    ((5, 0), (5, 0)),  # and between the epochs of the last round.
]


def test_resumed_run_is_the_same_run(finished, tmp_path, monkeypatch):
    """One that ends and goes on, again and again."""
    config = digits(tmp_path, checkpoint_steps=2)
    parts = RunDirectory(config.run_directory)
    for (epoch, step), kept in ENDS:
        interrupted(config, epoch, monkeypatch, step)
        checkpoint = parts.checkpoints.latest()
        assert (checkpoint.epochs, checkpoint.step) == kept
        config = dataclasses.replace(config, resume=True)
    trainer.train(config)
    assert_same_run(finished[2], parts)


def test_signals_keep_the_step(finished, tmp_path, monkeypatch):
    """Sent to this very process, in the second step of an epoch."""

    class Send(Stop):
        def on_train_batch_end(self, batch, logs=None):
            if (self._now, batch) == (self._epoch, 1):
                os.kill(os.getpid(), self.number)

    config, before = digits(tmp_path), signal.getsignal(signal.SIGTERM)
    for number, epoch in ((signal.SIGTERM, 2), (signal.SIGINT, 4)):
        sender = Send(epoch, step=-1)
        sender.number = number
        with monkeypatch.context() as patch:
            patch.setattr(train_callbacks, "Progress", lambda *_, **__: sender)
            told = f"step 3 of epoch {epoch + 1}"
            with pytest.raises(Interrupted, match=told) as caught:
                trainer.train(config)
        assert caught.value.exit_code == 128 + number
        assert signal.getsignal(signal.SIGTERM) == before
        config = dataclasses.replace(config, resume=True)
    trainer.train(config)
    assert_same_run(finished[2], RunDirectory(config.run_directory))


def test_without_its_bank_a_run_is_evaluated_but_not_resumed(
    finished, tmp_path
):
    shutil.copytree(finished[0].run_directory, tmp_path / "run")
    directory = RunDirectory(tmp_path / "run")
    path = directory.checkpoints.paths()[-1]
    with np.load(path, allow_pickle=False) as data:
        arrays = {k: data[k] for k in data.files if "method/" not in k}
    np.savez(path, **arrays)
    figures = evaluate_knn(Run(directory.path))
    assert figures["clean_top1"] == finished[1]["knn_top1_last"]
    assert "bank_top1" not in figures
    directory.result.unlink()
    config = dataclasses.replace(
        finished[0], run_dir=str(directory.path), resume=True
    )
    with pytest.raises(InputError, match="3 arrays of the method.*Received: 0"):
        trainer.train(config)


def test_a_run_killed_at_its_end_is_finished(finished, tmp_path, monkeypatch):
    """While it draws, and then when result.json alone is missing."""

    def killed(*_):
        raise Stop.Interruption

    config = digits(tmp_path)
    for place, step in ((results, "draw"), (RunDirectory, "write_result")):
        with monkeypatch.context() as patch:
            patch.setattr(place, step, killed)
            with pytest.raises(Stop.Interruption):
                trainer.train(config)
        config = dataclasses.replace(config, resume=True)
    trainer.train(config)
    directory = RunDirectory(config.run_directory)
    assert_same_run(finished[2], directory)
    assert directory.curves.exists()


def test_two_processes_do_not_share_a_directory(finished, tmp_path):
    path = shutil.copytree(finished[2].path, tmp_path / "run")
    config = dataclasses.replace(finished[0], run_dir=str(path), resume=True)
    with (
        RunDirectory(path).held(),
        pytest.raises(InputError, match="Another process"),
    ):
        trainer.train(config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), "Expected the 24 training images"),
        (
            lambda path: path.rename(path.with_name("renamed.png")),
            "Received others in folder/train",
        ),
    ],
    ids=["fewer", "others"],
)
def test_other_images_are_another_run(tmp_path, monkeypatch, change, message):
    config = digits(
        tmp_path,
        dataset="folder",
        data_dir=folder(tmp_path / "images", True, False),
        image_size=8,
        rounds=0,
        epochs_per_round=2,
        batch_size=8,
        max_train_examples=0,
        max_test_examples=0,
    )
    interrupted(config, 1, monkeypatch)
    change(next((tmp_path / "images" / "dark").glob("0*.png")))
    with pytest.raises(InputError, match=message):
        trainer.train(dataclasses.replace(config, resume=True))


def test_a_finished_run_is_shown_and_left_alone(finished, tmp_path, capsys):
    config, result, directory = finished
    shutil.copytree(directory.path, tmp_path / "run")
    directory = RunDirectory(tmp_path / "run")
    before = directory.result.read_bytes()
    again = trainer.train(
        dataclasses.replace(config, run_dir=str(directory.path), resume=True)
    )
    assert again["knn_top1_last"] == result["knn_top1_last"]
    assert directory.result.read_bytes() == before
    printed = capsys.readouterr().out
    assert f"{100 * result['knn_top1_last']:.1f} %" in printed
    assert "curves.png" in printed
    assert "epoch" not in printed.replace("one row for each epoch", "")


def test_nan_loss_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    # The decay alone multiplies weights by 1e8 in each of five steps.
    config = digits(
        tmp_path,
        learning_rate=1e4,
        weight_decay=1e4,
        rounds=0,
        epochs_per_round=3,
    )
    with pytest.raises(InputError, match="The loss became .*epoch 1.*no"):
        trainer.train(config)

    good = digits(tmp_path, "good", rounds=0, epochs_per_round=3)
    begin = train_callbacks.Speed.on_epoch_begin

    def poison(self, epoch, logs=None):
        begin(self, epoch, logs)
        if epoch == 1:
            self.model.encoder.trainable_weights[0].assign(
                np.nan * self.model.encoder.trainable_weights[0]
            )

    monkeypatch.setattr(train_callbacks.Speed, "on_epoch_begin", poison)
    with pytest.raises(
        InputError, match="became NaN or infinite.*epoch 2.*in .*epoch_00001"
    ):
        trainer.train(good)
    assert RunDirectory(good.run_directory).checkpoints.latest().epochs == 1
