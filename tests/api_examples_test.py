"""Each name of `import and_tf` has an example, and it runs."""

from __future__ import annotations

import ast
import doctest
import pathlib
import subprocess
import sys

import pytest

import and_tf


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> pathlib.Path:
    """Where they run: `Run` takes up what `train_run` has trained."""
    return tmp_path_factory.mktemp("examples")


# In this order: train_run before Run.
@pytest.mark.parametrize("name", sorted(and_tf.__all__, key="Run".__eq__))
def test_examples_run(name, directory, monkeypatch):
    monkeypatch.chdir(directory)
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(getattr(and_tf, name), name, globs={})
    printed: list[str] = []
    result = doctest.DocTestRunner().run(example, out=printed.append)
    assert result.attempted > 1 and not result.failed, "".join(printed)


def test_type_checkers_see_the_same_names_as_python():
    stub = pathlib.Path(and_tf.__file__).with_suffix(".pyi")
    places: dict[str, str] = {}
    for line in ast.parse(stub.read_text("utf-8")).body:
        if isinstance(line, ast.ImportFrom):
            dot = "." if line.module == "and_tf" else ":"
            for alias in line.names:
                name = alias.asname or alias.name
                places[name] = f"{line.module}{dot}{alias.name}"
        elif isinstance(line, ast.Assign):
            assert ast.literal_eval(line.value) == and_tf.__all__
    assert places == and_tf._PLACES


def test_importing_it_imports_nothing_else():
    code = (
        "import sys, and_tf; assert 'numpy' not in sys.modules;"
        "print(len(and_tf.__all__), [m for m in sys.modules if 'and_tf.' in m])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert found.stdout.split()[1:] == ["[]"], found.stderr


def test_refuses_other_names():
    with pytest.raises(AttributeError, match="no attribute 'ANDS'"):
        and_tf.ANDS
