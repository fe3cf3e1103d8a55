"""The commands of README.md and docs/: each is run, or its flags are read.

They run one after another, as a reader gives them, in one directory, on digits
and with flags that make them short. Some would cost too much: their flags are
read by their own parsers, and nothing more is done.
"""

from __future__ import annotations

import pathlib
import re
import shlex
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from tests import mains
from tests.export import model_server

ROOT = pathlib.Path(__file__).parents[1]
# In the order in which what one page makes is there for the next.
FIRST = (
    "training",
    "own_images",
    "evaluation",
    "clustering",
    "finetuning",
    "deploy",
)
PAGES = [ROOT / "README.md", *(ROOT / f"docs/{name}.md" for name in FIRST)]
PAGES += sorted({*(ROOT / "docs").glob("*.md")} - {*PAGES})
PAGES.append(ROOT / "CONTRIBUTING.md")

# What makes each short. Later flags win.
_DIGITS = "--dataset=digits --max_train_examples=200 --max_test_examples=60"
_SHORT = {
    "and_tf.train": "--encoder=small --embedding_dim=8 --width=0.5 "
    "--image_size=8 --batch_size=20 --initial_epochs=1 --rounds=1 "
    "--epochs_per_round=1 --evaluate_every=0 --resume",
    "and_tf.evaluate": "--linear_epochs=1",
    "and_tf.report": "--noevaluate",
    "and_tf.cluster": "--epochs=1 --heads=1 --neighbours=3 --batch_size=20 "
    "--self_labelling_epochs=0 --kmeans_seeds=1 --resume",
    "and_tf.finetune": "--epochs=1 --head_epochs=1 --nocompare "
    "--labelled_fraction=0.2",
    "and_tf.sweep": "--list",
    "and_tf.explore": "--run_dir=runs/cifar100 --clusters=2",
    "export.saved_model": "",
    "export.tflite": "--calibration_images=8",
    "export.keras_model": "",
    "export.onnx": "",
    "export.embed": "",
    "export.search": "",
    "export.client": "",
}
# A network that begins with trained weights stays what it is, and an earlier
# run's is large: its head alone is trained.
_PRETRAINED = (
    "--embedding_dim=8 --image_size=32 --batch_size=20 --epochs_per_round=1 "
    "--evaluate_every=0 --resume"
)
_EARLIER = f"{_PRETRAINED} --train=head"


class Command(NamedTuple):
    """A line of a page that starts a main."""

    page: str
    module: str
    arguments: list[str]
    setting: str  # What stands before it, such as a variable.

    @property
    def too_much(self) -> bool:
        """Whether only its flags are read.

        Benchmarks and the tests' own programs take minutes, neither a GPU nor
        several machines nor a store are here, and the tests of readers and of
        channels make their data.
        """
        return (
            self.module not in _SHORT
            or bool(self.setting)
            or self.page
            in ("gpus.md", "data.md", "channels.md", "object_stores.md")
        )


def lines_of(page: pathlib.Path) -> list[str]:
    """The commands in a page's blocks of no language, without comments."""
    blocks = re.findall(
        r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S
    )
    text = "\n".join(text for language, text in blocks if not language)
    text = text.replace("\\\n", " ")
    lines = (re.sub(r"\s# .*", "", line).strip() for line in text.splitlines())
    return [line for line in lines if line]


def commands() -> list[Command]:
    found = []
    for page in PAGES:
        for line in lines_of(page):
            setting, python, rest = line.partition("python -m ")
            if python and not rest.startswith(("pytest", "pip")):
                module, *arguments = shlex.split(rest)
                name = page.name
                found.append(Command(name, module, arguments, setting.strip()))
    return found


COMMANDS = commands()
OTHERS = [
    line for page in PAGES for line in lines_of(page) if "python -m" not in line
]


@pytest.mark.parametrize(
    "command",
    COMMANDS,
    ids=[f"{c.page}:{c.module}" for c in COMMANDS],
)
def test_flags_are_those_of_the_command(command, monkeypatch):
    monkeypatch.chdir(ROOT)  # Where its flagfiles are.
    mains.parse(command.module, command.arguments)


def test_other_commands_name_what_is_there():
    """Makefile's targets, extras, and the files that are mounted."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for line in OTHERS:
        program, *arguments = shlex.split(line)
        if program == "make":
            assert re.search(rf"^{arguments[0]}:", makefile, re.M), line
        elif program == "pip":
            for extra in re.findall(r"\.\[(\w+)\]", line):
                assert (ROOT / f"requirements-{extra}.txt").is_file(), line
        elif program == "docker":
            for name in re.findall(r"=/serving/(\S+)", line):
                assert (ROOT / "export" / "serving" / name).is_file(), line
            for name in re.findall(r" -f (\S+)", line):
                assert (ROOT / name).is_file(), line
        elif program in ("kubectl", "python", "sbatch"):
            (name,) = re.findall(r"docs/examples/\S+", line)
            assert (ROOT / name).is_file(), line
        else:
            assert program in ("tensorboard", "source"), line


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> pathlib.Path:
    """A reader's directory: the project's configs, and some photos."""
    place = tmp_path_factory.mktemp("reader")
    (place / "configs").symlink_to(ROOT / "configs")
    (place / "photos").mkdir()
    rng = np.random.default_rng(0)
    names = [f"photos/{number}.png" for number in range(24)]
    rows = [f"{number}.png,{'ab'[number % 2]}" for number in range(24)]
    (place / "labels.csv").write_text("\n".join(["file,label", *rows]))
    for name in [*names, "photo.jpg", "dog.jpg"]:
        pixels = rng.integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(pixels).save(place / name)
    return place


def test_they_run_one_after_another(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    for command in COMMANDS:
        if not command.too_much:
            _run(command)
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    for start in ("round 1 ", "  clean gallery  top-1", "  stage1 "):
        assert f"\n{start}" in printed.out
    for name in (
        "runs/cifar100/report.html",
        "runs/quick/report.html",
        "runs/photos_lite/neighbours.png",
        "runs/photos_lite/scan/result.json",
        "runs/photos_again/result.json",
        "runs/cifar10/scan/report.html",
        "exported/cifar100/1/saved_model.pb",
        "exported/quick.tflite",
        "exported/quick.keras",
        "exported/quick.onnx",
        "embeddings.npz",
        "photos.npz",
        "explored/index.html",
        "dog_neighbours.png",
    ):
        assert (place / name).is_file(), name


def _run(command: Command) -> None:
    """Runs a command, cut down."""
    arguments = command.arguments
    short = "" if "--dry_run" in arguments else _SHORT[command.module]
    begins = ("--weights=", "--flagfile=configs/pretrained.")
    if any(a.startswith(begins) for a in arguments):
        short = _PRETRAINED
    if any(a.startswith("--encoder=runs/") for a in arguments):
        short = _EARLIER
    arguments = [*arguments, *short.split()]
    begins = ("--flagfile=configs/distil_", "--pretext=distillation")
    if any(argument.startswith(begins) for argument in command.arguments):
        arguments += ["--rounds=0"]
    if command.module == "and_tf.train" and "--dataset=folder" not in arguments:
        arguments += _DIGITS.split()
    for argument in arguments:
        # A run of hours stands for others that a page goes on with.
        flag = re.match("--(run_dir|teacher)=", argument)
        path = pathlib.Path(argument[flag.end() if flag else 0 :])
        if path.name in ("cifar10", "cifar10_cpu") and not path.exists():
            path.symlink_to("cifar100")
    if command.module != "export.client":
        mains.run(command.module, arguments)
        return
    model = model_server.Model(pathlib.Path("exported/quick/1"))
    with model_server.grpc_server(model) as address:
        mains.run(command.module, [*arguments, f"--address={address}"])
