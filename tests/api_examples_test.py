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
    """Where they run: `load_encoder` takes up what `train_run` has trained."""
    return tmp_path_factory.mktemp("examples")


# In this order: train_run before load_encoder.
@pytest.mark.parametrize(
    "name", sorted(and_tf.__all__, key="load_encoder".__eq__)
)
def test_examples_run(name, directory, monkeypatch):
    monkeypatch.chdir(directory)
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(getattr(and_tf, name), name, globs={})
    printed: list[str] = []
    result = doctest.DocTestRunner().run(example, out=printed.append)
    assert result.attempted > 1 and not result.failed, "".join(printed)


def test_type_checkers_see_the_same_names_as_python():
    tree = ast.parse(pathlib.Path(and_tf.__file__).read_text("utf-8"))
    (checked,) = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and node.test.id == "TYPE_CHECKING"
    ]
    places = {}
    for line in checked.body:
        for alias in line.names:
            module = f"{line.module}:{alias.name}"
            if line.module == "and_tf":
                module = f"and_tf.{alias.name}"
            places[alias.asname or alias.name] = module
    assert places == and_tf._PLACES
    assert sorted(places) == and_tf.__all__


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
