"""What fits into minutes or views, held against counting it one by one."""

from __future__ import annotations

import itertools

import pytest

from and_tf.utils.errors import InputError
from benchmarks import commands
from benchmarks.peers import __main__ as program
from benchmarks.peers import images, ours, record, theirs
from benchmarks.peers.budget import Budget
from benchmarks.peers.setting import OURS, TITLES, Setting, Task


def counted(costs, budget: float) -> int:
    """How many costs can be paid one after another."""
    sums = itertools.accumulate(costs)
    return sum(1 for _ in itertools.takewhile(lambda s: s <= budget, sums))


@pytest.mark.parametrize("minutes", [0.5, 10, 30])
@pytest.mark.parametrize("first, usual", [(20.0, 13.0), (13.0, 13.0)])
def test_epochs_are_as_many_as_fit(minutes, first, usual):
    found = Budget("minutes", minutes).epochs([first, usual, usual], 45_000)
    costs = [first, *[usual] * 1_000]
    assert found == counted(costs, 60 * minutes)


def test_steps_are_as_many_as_fit_and_one_at_least():
    assert Budget("minutes", 10).steps(0.125, 256) == 4_800
    assert Budget("minutes", 0.01).steps(7.0, 256) == 1
    assert Budget("minutes", 0.01).epochs([7.0], 100) == 1


def test_equal_views_are_two_of_an_image_or_one():
    budget = Budget("million_views", 2.7)
    steps, epochs = budget.steps(9.9, 2 * 128), budget.epochs([9.9], 45_000)
    assert (steps, epochs) == (10_546, 60)
    assert abs(steps * 2 * 128 - epochs * 45_000) < 2 * 128


def test_files_have_names_of_their_own():
    budgets = [Budget("minutes", 3), Budget("million_views", 3)]
    settings = [
        Setting(side, budget, seed, split, views, size, batch, most)
        for side in ("simclr", "byol")
        for budget in budgets
        for seed in (0, 1)
        for split in ("held_out", "test")
        for views in ("lightly", "fast")
        for size in (24, 32)
        for batch in (128, 256)
        for most in (0, 2000)
    ]
    assert len({s.name for s in settings}) == len(settings)
    # What only peers have makes no other run of ours.
    pair = [Setting(OURS, budgets[0], views=v) for v in ("lightly", "fast")]
    assert pair[0].name == pair[1].name == "held_out_and_3min_seed0"


def test_a_task_is_read_as_it_was_written(tmp_path):
    setting = Setting("byol", Budget("minutes", 0.5), 3, views="fast")
    task = Task(setting, "images.npz", "place", 8.0, 2)
    task.write(tmp_path / "task.json")
    assert Task.read(tmp_path / "task.json") == task


class Launcher:
    """Writes what a training would leave behind, without one."""

    def __init__(self, seconds):
        self.seconds, self.commands = seconds, []

    def run(self, arguments, log=None, enough=None):
        self.commands.append(list(arguments))
        values = dict(
            flag.removeprefix("--").split("=", 1)
            for flag in arguments
            if "=" in flag
        )
        run = tmp = program.pathlib.Path(values["run_dir"])
        run.mkdir(parents=True)
        rows = self.seconds[: int(values["initial_epochs"])]
        text = "".join(f"{n},{s}\n" for n, s in enumerate(rows))
        (tmp / "metrics.csv").write_text(f"epoch,seconds\n{text}")

    def call(self, function, **arguments):
        return {"batch_size": 256, "view_size": 24, "versions": {}}


def test_our_side_trains_the_recipe_for_the_epochs_that_fit(tmp_path):
    path = tmp_path / "images.npz"
    program.images.np.savez(path, train_labels=range(1_000))
    setting = Setting(OURS, Budget("minutes", 1), seed=4)
    launcher = Launcher([12.0, *[8.0] * 50])
    report = ours.train(setting, launcher, tmp_path / "at", path, "")
    assert report["epochs"] == 7  # 12 + 6 · 8 are 60 seconds.
    assert report["seconds"] == 60
    assert (report["steps"], report["views_seen"]) == (28, 7_000)
    trial, training = launcher.commands
    assert "--initial_epochs=7" in training and "--resume" in training
    config = commands.config_of(" ".join(["python", *training]))
    assert (config.seed, config.rewhiten) == (4, False)
    assert (config.width, config.features) == (1.5, 384)
    # A trial that is there is not made again.
    again = Launcher([12.0, *[8.0] * 50])
    (tmp_path / "at" / "run" / "metrics.csv").unlink()
    (tmp_path / "at" / "run").rmdir()
    ours.train(setting, again, tmp_path / "at", path, "")
    assert again.commands == [training]


@pytest.fixture
def flags():
    from absl import flags
    from absl.testing import flagsaver

    def parse(*given):
        flags.FLAGS(["", *given])

    with flagsaver.flagsaver():
        if not flags.FLAGS.is_parsed():
            flags.FLAGS([""])
        yield parse


def test_a_training_whose_file_is_there_is_left_out(
    flags, tmp_path, monkeypatch, capsys
):
    out, trained = tmp_path / "out", []

    def train(setting, peers, place, output):
        trained.append(setting.name)
        report = {"versions": {}, "seconds": 1.0}
        knn = {"plain": 0.5, "whitened": 0.6}
        return record.write(output, setting, report, knn)

    monkeypatch.setattr(program, "_train", train)
    monkeypatch.setattr(program.same_network, "check", lambda *_: 0.0)
    monkeypatch.setattr(program.theirs, "check_python", lambda _: None)
    flags(f"--output_dir={out}", "--minutes=10,1", "--side=and,byol")
    program.main([])
    assert [name.split("_")[-2] for name in trained] == [
        "1min", "1min", "10min", "10min",
    ]  # fmt: skip
    (out / f"{trained[1]}.json").unlink()
    again = trained[1]
    trained.clear()
    program.main([])
    assert trained == [again]
    assert "1 of 4 trainings are left" in capsys.readouterr().out


@pytest.mark.parametrize(
    "flag, words",
    [
        ("--side=and,moco", "--side among and, .*Received: moco"),
        ("--minutes=0", "--minutes, numbers above 0.*Received: 0"),
        ("--minutes=ten", "Received: ten"),
        ("--minutes=", "--minutes or --million_views"),
        ("--seed=-1", "--seed, numbers from 0"),
        ("--max_train_examples=9", "--output_dir with --max_train_examples"),
    ],
)
def test_bad_flags_are_told_before_anything_begins(flags, flag, words):
    flags(flag)
    with pytest.raises(InputError, match=words):
        program.main([])


def test_an_interpreter_without_lightly_is_refused(tmp_path):
    for python in (str(tmp_path / "none"), "/bin/false"):
        with pytest.raises(InputError, match="make bench-peers"):
            theirs.check_python(python)


def test_every_side_has_a_command(tmp_path):
    for side in TITLES:
        command = Setting(side, Budget("million_views", 2)).command()
        assert f"--side={side} --million_views=2" in command
    place = images.path_of(tmp_path, "test", 0, 3)
    assert place == images.path_of(tmp_path, "test", 0, 4)  # The same images.
