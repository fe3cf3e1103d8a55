"""What a stranger installs: a wheel, used from a directory of their own."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement

import and_tf
from export.serving import warmup
from tests.build_test import FILES, targets_of

ROOT = pathlib.Path(__file__).parents[1]
EXTRAS = (
    "gpu", "hub", "onnx", "bench", "dev", "docs", "weights", "explore", "data",
    "beam", "track", "tiff", "stores",
)  # fmt: skip
# Used where they are installed: of the extras onnx, explore, data, tiff, track.
OPTIONAL = {
    "pillow-heif", "umap-learn", "onnx", "onnxruntime", "tf2onnx",
    "array-record", "datasets", "mlflow-skinny", "tifffile", "wandb",
}  # fmt: skip

# Calls installed commands, given as JSON, each in a fork of its own that
# writes to a file of its own; prints their exit codes.
_CALLS = """
import importlib.metadata, json, os, sys
scripts = importlib.metadata.entry_points(group="console_scripts")
codes = []
for number, (name, *arguments) in enumerate(json.loads(sys.argv[1])):
    child = os.fork()
    if not child:
        out = os.open(f"{number}.txt", os.O_WRONLY | os.O_CREAT)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.argv = [f"/bin/{name}", *arguments]
        (script,) = scripts.select(name=name)
        script.load()()
        os._exit(99)  # A command ends itself.
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
import and_tf
print(json.dumps([and_tf.__file__, codes]))
"""


@pytest.fixture(scope="module")
def target(tmp_path_factory) -> pathlib.Path:
    """Where pip has built the project and installed it, without a network."""
    path = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index"]
    command += ["--no-deps", "--no-build-isolation", "--target", path, ROOT]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return path


@pytest.fixture(scope="module")
def installed(target) -> importlib.metadata.Distribution:
    (found,) = importlib.metadata.distributions(path=[str(target)])
    return found


def call(
    target: pathlib.Path, cwd: pathlib.Path, *calls: list[str]
) -> list[tuple[int, str]]:
    """Returns the exit code and the text of each call of a command."""
    environment = {**os.environ, "PYTHONPATH": str(target)}
    result = subprocess.run(
        [sys.executable, "-c", _CALLS, json.dumps(calls)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    file, codes = json.loads(result.stdout)
    assert pathlib.Path(file).is_relative_to(target)  # And not the checkout.
    texts = [(cwd / f"{i}.txt").read_text("utf-8") for i in range(len(calls))]
    return list(zip(codes, texts, strict=True))


def test_every_file_of_the_packages_is_installed_and_no_other(installed):
    # pip adds its own notes, the commands and compiled files.
    added = re.compile(r"\.dist-info/|__pycache__|^(\.\./)*bin/")
    names = (path.as_posix() for path in installed.files)
    there = [*_files("and_tf"), *_files("export")]
    there += [f"and_tf/{name}" for name in _files("configs")]
    assert sorted(n for n in names if not added.search(n)) == sorted(there)


def _files(directory: str) -> list[str]:
    return [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / directory).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    ]


def test_files_that_are_read_at_run_time_are_there(target):
    assert (target / "and_tf" / "py.typed").is_file()
    assert (target / "export" / "py.typed").is_file()
    batching = warmup.BATCHING.relative_to(ROOT)
    assert (target / batching).read_bytes() == warmup.BATCHING.read_bytes()


def test_metadata_are_those_of_the_project(installed):
    metadata = installed.metadata
    assert metadata["Name"] == "and-tf"
    assert installed.version == and_tf.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(metadata["Requires-Python"].split(",")) == {">=3.11", "<3.14"}
    assert "# Neighbourhood discovery" in installed.read_text("METADATA")
    assert any(path.name == "LICENSE" for path in installed.files)


def test_dependencies_are_those_that_pip_is_told_in_the_checkout(installed):
    found = {Requirement(text) for text in installed.requires}
    wanted = set(_requirements("requirements.txt"))
    for extra in EXTRAS:
        for requirement in _requirements(f"requirements-{extra}.txt"):
            requirement.marker = None
            wanted.add(Requirement(f'{requirement}; extra == "{extra}"'))
    assert found == wanted
    assert set(installed.metadata.get_all("Provides-Extra")) == set(EXTRAS)
    assert "keras-cv" in {requirement.name for requirement in found}


def test_everything_that_the_packages_import_is_a_dependency():
    imported = {
        label.removeprefix("@pip//").replace("_", "-")
        for build in FILES
        if build.is_relative_to(ROOT / "and_tf")
        or build.is_relative_to(ROOT / "export")
        for target in targets_of(build)
        for label in target.get("deps", ())
        if label.startswith("@pip//")
    }
    named = {r.name for r in _requirements("requirements.txt")}
    named = {name.replace("_", "-") for name in named}
    assert imported - named <= OPTIONAL
    assert "keras-cv" not in imported


def _requirements(name: str) -> list[Requirement]:
    text = (ROOT / name).read_text(encoding="utf-8")
    lines = re.findall(r"^[A-Za-z][^#\n]*", text, re.MULTILINE)
    return [Requirement(line.strip()) for line in lines]


def test_every_main_is_an_installed_command_that_shows_its_flags(
    target, installed, tmp_path
):
    scripts = installed.entry_points.select(group="console_scripts")
    names = sorted(script.name for script in scripts)
    helps = call(target, tmp_path, *([name, "--help"] for name in names))
    first_lines = {
        ast.get_docstring(tree).partition("\n")[0] for tree in _mains()
    }
    documented = set()
    for name, (code, text) in zip(names, helps, strict=True):
        assert code == 0 and text.startswith("Examples:\n"), name
        assert re.search(r"^  --(run_dir|images|index|vary)=", text, re.M)
        documented |= first_lines & set(text.splitlines())
    assert documented == first_lines


def _mains() -> list[ast.Module]:
    paths = [p for d in ("and_tf", "export") for p in (ROOT / d).rglob("*.py")]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return [ast.parse(text) for text in texts if "\nif __name__ == " in text]


def test_configs_are_found_from_anywhere(target, tmp_path):
    (tmp_path / "mine.flags").write_text("--flagfile=configs/quick.flags\n")
    found = [
        ["and-train", f"--flagfile={name}", "stray"]
        for name in ("cifar100.flags", "configs/svhn.flags", "mine.flags")
    ]
    lost = ["and-cluster", "--flagfile=scan_cifar1.flags"]
    *answers, (code, text) = call(target, tmp_path, *found, lost)
    for _, answer in answers:
        # The flags are read, and what follows them is refused.
        assert answer.startswith("error: Expected flags only"), answer
    assert code == 1
    assert str(tmp_path / "scan_cifar1.flags") in text
    assert str(target / "and_tf" / "configs" / "scan_cifar1.flags") in text
    assert "such as scan_cifar10.flags" in text
    assert "Traceback" not in text


def test_the_changelog_begins_with_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[?(\d[^\]\s]*)", text, re.MULTILINE)
    assert versions[0] == and_tf.__version__


def test_what_builds_it_is_installed_for_the_tests():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    needed = {Requirement(r) for r in project["build-system"]["requires"]}
    assert needed <= set(_requirements("requirements-dev.txt"))
