"""The BUILD files name every source once, and what the sources import.

Starlark, the language of BUILD files, is Python but for little, so that the
files are run here as Python, with functions that record their targets.
"""

from __future__ import annotations

import ast
import graphlib
import pathlib
import re
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

ROOT = pathlib.Path(__file__).parents[1]
TOPS = ("and_tf", "benchmarks", "export", "tests")
MOST_LINES = 60
# Of tests alone there are many kinds of dependencies.
MOST_LINES_OF_TESTS = 110
# What is imported under another name than it is installed by.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "_pytest": "pytest",
    "absl": "absl_py",
    "faiss": "faiss_cpu",
    "google": "protobuf",
    "grpc": "grpcio",
    "mlflow": "mlflow_skinny",
    "sklearn": "scikit_learn",
    "tensorflow_serving": "tensorflow_serving_api",
    "umap": "umap_learn",
    "yaml": "pyyaml",
}
# What the lock cannot have: apache-beam wants an older protobuf than it holds.
# Of the clients of stores it has the one that the tests use. lightly is in an
# environment of its own.
BESIDE_THE_LOCK = {"@pip//apache_beam", "@pip//lightly"}
UNLOCKED = (
    "requirements_lock.txt",
    "requirements-gpu.txt",
    "requirements-beam.txt",
    "requirements-dev-beam.txt",
    "requirements-stores.txt",
    "requirements-peers.txt",
)
FILES = sorted(path for top in TOPS for path in (ROOT / top).rglob("BUILD")) + [
    ROOT / "BUILD"
]
PACKAGES = {path.parent.relative_to(ROOT).as_posix() for path in FILES}


def _id(build: pathlib.Path) -> str:
    return f"//{build.parent.relative_to(ROOT).as_posix()}"


def targets_of(build: pathlib.Path) -> list[dict[str, Any]]:
    """Runs a BUILD file, and returns what each of its rules was called with."""
    targets = []

    def glob(
        include: list[str], exclude: tuple[str, ...] | list[str] = ()
    ) -> list[str]:
        here = build.parent
        found = {path for name in include for path in here.glob(name)}
        found -= {path for name in exclude for path in here.glob(name)}
        names = (path.relative_to(here).as_posix() for path in found)
        return sorted(name for name in names if (here / name).is_file())

    def rule(**values: Any) -> None:
        targets.append(values)

    names = dict.fromkeys(
        "py_library py_binary py_test alias filegroup test_suite".split(), rule
    )
    others = dict.fromkeys(
        "load package exports_files".split(), lambda *_, **__: None
    )
    exec(build.read_text(encoding="utf-8"), {"glob": glob, **names, **others})
    return targets


def _package(path: pathlib.Path) -> str:
    """Returns the package of a file: the nearest directory with a BUILD."""
    parent = path.parent
    while not (ROOT / parent / "BUILD").exists():
        parent = parent.parent
    return parent.as_posix()


def _imported(path: pathlib.Path) -> Iterator[tuple[str, str]]:
    """Yields each imported module, and what is taken out of it or nothing."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node.module or "", alias.name) for alias in node.names)


def _label(module: str, name: str) -> str | None:
    """Returns the label that an import needs; none for Python's own library."""
    first = module.partition(".")[0]
    if first in sys.stdlib_module_names:
        return None
    if first not in TOPS:
        return f"@pip//{DISTRIBUTIONS.get(first, first)}"
    for whole in (f"{module}.{name}".rstrip("."), module):
        path = pathlib.Path(*whole.split("."))
        for source in (path.with_suffix(".py"), path / "__init__.py"):
            if (ROOT / source).is_file():
                return f"//{_package(source)}"
    raise ValueError(f"Expected a module of this project, received {module}.")


def _short(label: str) -> str:
    """Returns `//and_tf/utils` for a label of any target in that package."""
    return label if label.startswith("@") else label.partition(":")[0]


def test_every_source_is_in_one_target() -> None:
    named = Counter(
        (build.parent / source).relative_to(ROOT).as_posix()
        for build in FILES
        for target in targets_of(build)
        # One file runs pytest, for all tests.
        for source in target.get("srcs", ())
        if source.endswith(".py") and source != "bazel_main.py"
    )
    there = {
        path.relative_to(ROOT).as_posix()
        for top in TOPS
        for path in (ROOT / top).rglob("*.py")
    } - {"tests/bazel_main.py"}
    assert set(named) == there
    assert not [source for source, count in named.items() if count > 1]


@pytest.mark.parametrize("build", FILES, ids=_id)
def test_dependencies_are_the_imports(build: pathlib.Path) -> None:
    package = build.parent.relative_to(ROOT).as_posix()
    needed, named = set(), set()
    for target in targets_of(build):
        named |= {_short(label) for label in target.get("deps", ())}
        for source in target.get("srcs", ()):
            if source.endswith(".py"):
                found = _imported(build.parent / source)
                needed |= {_label(*each) for each in found} - {None}
    needed -= BESIDE_THE_LOCK
    own = {"", f"//{package}"}
    assert named - own == needed - own


def test_labels_are_those_of_packages() -> None:
    for build in FILES:
        for target in targets_of(build):
            labels = (*target.get("deps", ()), target.get("actual", "//tests"))
            for label in labels:
                package = label.partition(":")[0].removeprefix("//")
                assert label.startswith(("@", ":")) or package in PACKAGES


def test_no_target_needs_itself() -> None:
    graph = {
        _whole(build, f":{target['name']}"): [
            _whole(build, label)
            for label in target.get("deps", ())
            if not label.startswith("@")
        ]
        for build in FILES
        for target in targets_of(build)
    }
    graphlib.TopologicalSorter(graph).prepare()  # Raises a CycleError.


def _whole(build: pathlib.Path, label: str) -> str:
    """Returns a label with its package and its target."""
    if label.startswith(":"):
        return f"{_id(build)}{label}"
    if ":" in label:
        return label
    return f"{label}:{label.rpartition('/')[2]}"


@pytest.mark.parametrize("build", FILES, ids=_id)
def test_a_file_is_short(build: pathlib.Path) -> None:
    lines = len(build.read_text(encoding="utf-8").splitlines())
    tests = build.parent.name == "tests"
    assert lines <= (MOST_LINES_OF_TESTS if tests else MOST_LINES)


def test_locked_versions_are_those_that_are_required() -> None:
    packaging = pytest.importorskip("packaging.requirements")
    lock = (ROOT / "requirements_lock.txt").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE))
    locked = {_normal(name): version for name, version in locked.items()}
    for path in ROOT.glob("requirements*.txt"):
        if path.name in UNLOCKED:
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            text = line.partition("#")[0].strip()
            if not text or text.startswith("-"):
                continue
            wanted = packaging.Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate():
                version = locked[_normal(wanted.name)]
                assert wanted.specifier.contains(version), text


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
