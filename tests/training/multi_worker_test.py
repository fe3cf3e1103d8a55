"""Processes that train together, against one that trains alone."""

from __future__ import annotations

import functools
import re
import shutil
import signal

import numpy as np
import pytest
import tensorflow as tf

from and_tf.data import step_batches
from and_tf.training import trainer
from and_tf.training.config import TrainConfig
from and_tf.training.run_directory import RunDirectory
from tests import training_of_workers
from tests.same_run import assert_same_run
from tests.workers import workers

# A last batch that is smaller and odd, checkpoints within epochs, batch norm.
CHANGES = {
    "dataset": "digits",
    "encoder": "small",
    "embedding_dim": 16,
    "rounds": 2,
    "epochs_per_round": 2,
    "batch_size": 20,
    "max_train_examples": 273,
    "max_test_examples": 150,
    "bank_initialiser": "encoder",
    "checkpoint_steps": 5,
    "checkpoint_seconds": 0.0,
    "evaluate_every": 1,
    "baselines": False,
}
FLAGS = [f"--{name}={value}" for name, value in CHANGES.items()]
LOST = re.compile(
    r"error: At least one of the 2 processes of this run .*--resume\.\n"
)


def command(path, *more: str) -> list[str]:
    return ["-m", "and_tf.train", *FLAGS, f"--run_dir={path}", *more]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of two processes that nobody disturbs, and what they said."""
    path = tmp_path_factory.mktemp("whole") / "run"
    with workers(*command(path)) as started:
        assert started.end() == [0, 0], started.err(0)
        said = [(started.out(i), started.err(i)) for i in range(2)]
    return RunDirectory(path), said


def test_the_first_process_alone_speaks_and_writes(whole):
    directory, said = whole
    (out, err), silent = said
    assert silent == ("", "")
    assert err == ""
    assert len(re.findall(r"^epoch ", out, re.MULTILINE)) == 6
    assert len(list(directory.tensorboard.glob("*tfevents*"))) == 1
    assert directory.curves.exists() and directory.gallery(2).exists()
    assert len(directory.metrics.read_text().splitlines()) == 7


def test_two_processes_are_two_devices_of_one(whole, tmp_path, monkeypatch):
    """Replicas with batch statistics of their own, in both cases."""
    monkeypatch.setattr(
        trainer.strategy,
        "build",
        lambda *_: tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]),
    )
    result = trainer.train(
        TrainConfig(**CHANGES, run_dir=str(tmp_path / "run"))
    )
    directory = RunDirectory(tmp_path / "run")
    expected, received = (
        np.load(d.checkpoints.paths()[-1]) for d in (directory, whole[0])
    )
    assert expected.files == received.files
    for name in set(expected.files) - {"notes"}:
        np.testing.assert_allclose(
            received[name], expected[name], atol=1e-5, err_msg=name
        )
    for number in (1, 2):
        one = directory.read_neighbourhoods(number)
        two = whole[0].read_neighbourhoods(number)
        np.testing.assert_array_equal(one.neighbours, two.neighbours)
        np.testing.assert_array_equal(one.is_anchor, two.is_anchor)
    for name in ("knn_top1_last", "knn_top1_best"):
        assert whole[0].read_result()[name] == result[name]


# Which process ends by which signal, once there is which checkpoint.
DISTURBANCES = [
    (1, signal.SIGKILL, "epoch_00001_step_00000005"),
    (0, signal.SIGKILL, "epoch_00002"),
    (1, signal.SIGTERM, "epoch_00003_step_00000010"),
]


def test_all_end_with_one_and_go_on_as_if_nothing_had_been(whole, tmp_path):
    """One process after another ends; the same command starts them again.

    At last they are tasks of Slurm, and one process goes on alone.
    """
    directory = RunDirectory(tmp_path / "run")

    def reached(name: str) -> bool:
        return any(p.stem >= name for p in directory.checkpoints.paths())

    for ended, number, kept in DISTURBANCES:
        resume = command(directory.path, "--resume")
        with workers(*resume, slurm=number == signal.SIGTERM) as started:
            started.until(functools.partial(reached, kept))
            started.processes[ended].send_signal(number)
            codes = started.end()
            said = started.err(ended), started.err(1 - ended)
        if number == signal.SIGKILL:
            assert (codes[ended], codes[1 - ended]) == (-signal.SIGKILL, 1)
            assert LOST.fullmatch(said[1].lstrip()), said[1]
        else:  # The first keeps its step, though it was sent no signal itself.
            assert codes == [128 + signal.SIGTERM] * 2, said
            begins = (
                "the first process of the run keeps",
                "the run is kept up",
            )
            for text, begin in zip(said, begins, strict=True):
                assert text.lstrip().startswith(
                    f"interrupted: SIGTERM; {begin}"
                )

    fewer = shutil.copytree(directory.path, tmp_path / "fewer")
    with workers(*resume, slurm=True) as started:
        assert started.end() == [0, 0], started.err(0)
        assert "epoch 3/" not in started.out(0)
    assert_same_run(whole[0], directory)
    _assert_goes_on_alone(whole[0], RunDirectory(fewer))


def _assert_goes_on_alone(whole, directory) -> None:
    """Finished epochs stay as they are; later ones have larger batch norms."""
    result = trainer.train(
        TrainConfig(**CHANGES, run_dir=str(directory.path), resume=True)
    )
    before, after = (d.read_metrics() for d in (whole, directory))
    assert [row["epoch"] for row in after] == list(range(6))
    for row, same in zip(after[:3], before[:3], strict=True):
        assert row["loss"] == same["loss"]
    losses = [[row["loss"] for row in rows[3:]] for rows in (after, before)]
    np.testing.assert_allclose(*losses, rtol=0.1)
    found = [d.read_neighbourhoods(1).neighbours for d in (whole, directory)]
    np.testing.assert_array_equal(*found)
    assert (
        abs(result["knn_top1_last"] - whole.read_result()["knn_top1_last"])
        < 0.1
    )


def test_other_flags_are_refused_by_all(tmp_path):
    more = {1: ["--temperature=0.2"]}
    with workers(*command(tmp_path / "run"), extra=more) as started:
        assert started.end() == [1, 1]
        assert "Received others than the chief's: temp" in started.err(1)
        assert "Traceback" not in started.err(0) + started.err(1)


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """What two processes find of `training_of_workers`, and one alone."""
    path = tmp_path_factory.mktemp("together")
    with workers("-m", "tests.training_of_workers", str(path)) as started:
        assert started.end() == [0, 0], started.err(0) + started.err(1)
    found = [dict(np.load(path / f"{index}.npz")) for index in range(2)]
    return found, training_of_workers.train()


def test_processes_have_the_same_teacher(together, tmp_path):
    """Which the chief alone writes, and reads."""
    both, _ = together
    alone = training_of_workers.teach(tmp_path)["taught"]
    for found in both:
        np.testing.assert_array_equal(found["taught"], both[0]["taught"])
        np.testing.assert_array_equal(found["taught again"], found["taught"])
        assert found["seen again"].size == 0
        np.testing.assert_allclose(found["taught"], alone, atol=1e-5)


def test_without_batch_norm_processes_train_as_one_alone(together):
    """Losses, bank, anchors, neighbours and weights, over two rounds."""
    both, alone = together
    for found in both:
        assert set(found) >= set(alone)
        for name, expected in alone.items():
            np.testing.assert_allclose(
                found[name], expected, atol=1e-5, err_msg=name
            )


def test_a_search_is_shared_out(together):
    both, _ = together
    assert [int(found["searched"]) for found in both] == [2048, 452]
    for found in both:
        for name in ("similarity", "entropy"):
            np.testing.assert_allclose(
                found[f"shared_{name}"], found[f"own_{name}"], atol=1e-5
            )
        # One process serves rows and columns at once: near equals may swap.
        assert (found["shared_index"] != found["own_index"]).mean() < 1e-3


def test_processes_tell_each_other_arrays_and_bytes(together):
    both, _ = together
    for found in both:
        np.testing.assert_array_equal(
            found["gathered"], [[1, 1], [2, 2], [2, 2]]
        )
        assert found["told"].tobytes() == bytes(range(11))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_devices_of_a_process_have_equal_parts(count):
    """Of images that are a dict, and a last batch of fewer."""
    numbers = tf.data.Dataset.range(14).batch(10)
    batches = numbers.map(lambda n: ({"images": n[:, None]}, n))
    parts = list(step_batches.split_batches(batches, count))
    expected = [
        part
        for batch in (np.arange(10), np.arange(10, 14))
        for part in np.array_split(batch, count)
    ]
    for (images, found), wanted in zip(parts, expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
        np.testing.assert_array_equal(images["images"][:, 0], wanted)
