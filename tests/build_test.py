"""BUILD names every source once, with the imports that it really has."""

from __future__ import annotations

import graphlib

import pytest

from tests.build_targets import (
    DIRECTORIES,
    ROOT,
    Target,
    expected,
    read,
    render,
)

REMEDY = "Run python -m tests.build_targets."


@pytest.fixture(scope="module")
def targets() -> list[Target]:
    return read((ROOT / "BUILD").read_text(encoding="utf-8"))


def _tree(root, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_every_source_is_in_one_target(targets):
    named = sorted(src for target in targets for src in target.srcs)
    there = sorted(
        path.relative_to(ROOT).as_posix()
        for directory in DIRECTORIES
        for path in (ROOT / directory).rglob("*.py")
    )
    assert named == there, REMEDY


def test_rules_and_dependencies_are_those_of_the_sources(targets):
    wanted = {target.name: target for target in expected()}
    for target in targets:
        want = wanted[target.name]
        assert target.rule == want.rule, f"{target.name}: {REMEDY}"
        missing, extra = want.deps - target.deps, target.deps - want.deps
        assert not missing and not extra, f"{target.name}: {REMEDY}"


def test_no_target_needs_itself(targets):
    graph = {f":{target.name}": target.deps for target in targets}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def test_what_is_written_is_read_again():
    assert read(render(expected())) == expected()


def test_every_kind_of_import_is_seen(tmp_path):
    main = "import os.path, numpy as np\nif __name__ == '__main__': pass\n"
    _tree(
        tmp_path,
        {
            "and_tf/__init__.py": "",
            "and_tf/one.py": "from __future__ import annotations",
            "and_tf/part/__init__.py": "from . import deep\nfrom .. import one",
            "and_tf/part/deep.py": "def f():\n  import absl.app, PIL.Image",
            "and_tf/train.py": main + "from and_tf import one, part, NAME",
            "tests/one_test.py": "from and_tf.one import A\nimport and_tf.part",
            "elsewhere/two.py": "import numpy",
        },
    )
    assert {t.name: (t.rule, set(t.deps)) for t in expected(tmp_path)} == {
        "and_tf": ("py_library", set()),
        "and_tf/one": ("py_library", set()),
        "and_tf/part": ("py_library", {":and_tf/part/deep", ":and_tf/one"}),
        "and_tf/part/deep": ("py_library", {"@pip//absl_py", "@pip//pillow"}),
        "and_tf/train": (
            "py_binary",
            {"@pip//numpy", ":and_tf", ":and_tf/one", ":and_tf/part"},
        ),
        "tests/one_test": ("py_test", {":and_tf/one", ":and_tf/part"}),
    }


def test_an_import_of_nothing_is_an_error(tmp_path):
    _tree(tmp_path, {"and_tf/one.py": "import and_tf.two"})
    with pytest.raises(ValueError, match="one.py: Expected .*and_tf.two"):
        expected(tmp_path)


def test_format_is_buildifiers():
    target = Target(
        "py_test", "a_test", frozenset({"a_test.py"}), frozenset({":b", ":a"})
    )
    assert render([target]).endswith(
        "\n\npy_test(\n"
        '    name = "a_test",\n'
        '    srcs = ["a_test.py"],\n'
        "    deps = [\n"
        '        ":a",\n'
        '        ":b",\n'
        "    ],\n"
        ")\n"
    )
