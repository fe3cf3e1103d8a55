"""BUILD, as the sources' own imports have it.

`python -m tests.build_targets` writes the file anew; `build_test` holds the
file that is there against the same imports.
"""

from __future__ import annotations

import ast
import dataclasses
import pathlib
import sys
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[1]
DIRECTORIES = ("and_tf", "benchmarks", "export", "tests")
# What is imported under another name than it is installed by.
PACKAGES = {
    "PIL": "pillow",
    "absl": "absl_py",
    "faiss": "faiss_cpu",
    "google": "protobuf",
    "grpc": "grpcio",
    "sklearn": "scikit_learn",
    "tensorflow_serving": "tensorflow_serving_api",
}
_HEADER = """\
load("@rules_python//python:defs.bzl", "py_binary", "py_library", "py_test")

# Written by python -m tests.build_targets
package(default_visibility = ["//visibility:public"])
"""


@dataclasses.dataclass(frozen=True)
class Target:
    """One rule of a BUILD file, its lists as sets."""

    rule: str
    name: str
    srcs: frozenset[str]
    deps: frozenset[str]


def expected(root: pathlib.Path = ROOT) -> list[Target]:
    """A target for every source file, in the order of their names.

    Args:
        root: The directory of BUILD.

    Raises:
        ValueError: If a source imports a module of the project that is not
            there.
    """
    paths = (p for d in DIRECTORIES for p in (root / d).rglob("*.py"))
    targets = (_target(path, root) for path in paths)
    return sorted(targets, key=lambda target: target.name)


def read(text: str) -> list[Target]:
    """The targets of a BUILD file.

    Raises:
        ValueError: If the file holds more than calls with literal arguments.
    """
    targets = []
    for statement in ast.parse(text).body:
        call = statement.value
        values = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
        if call.func.id.startswith("py_"):
            lists = (frozenset(values.get(key, ())) for key in ("srcs", "deps"))
            targets.append(Target(call.func.id, values["name"], *lists))
    return targets


def render(targets: list[Target]) -> str:
    """A BUILD file in buildifier's format."""
    rules = []
    for target in targets:
        lines = [f'    name = "{target.name}",']
        for key in ("srcs", "deps"):
            lines += _list(key, sorted(getattr(target, key)))
        rules.append("\n".join(["", f"{target.rule}(", *lines, ")", ""]))
    return _HEADER + "".join(rules)


def _list(key: str, labels: list[str]) -> list[str]:
    if not labels:
        return []
    if len(labels) == 1:
        return [f'    {key} = ["{labels[0]}"],']
    items = [f'        "{label}",' for label in labels]
    return [f"    {key} = [", *items, "    ],"]


def _target(path: pathlib.Path, root: pathlib.Path) -> Target:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    src = path.relative_to(root)
    name = _name(src)
    deps = set()
    for module, attribute in _imports(tree, src):
        try:
            deps |= _labels(module, attribute, root)
        except ValueError as error:
            raise ValueError(f"{src}: {error}") from None
    if name.endswith("_test"):
        rule = "py_test"
    else:
        rule = "py_binary" if _is_main(tree) else "py_library"
    deps.discard(f":{name}")
    return Target(rule, name, frozenset({src.as_posix()}), frozenset(deps))


def _name(src: pathlib.Path) -> str:
    """A package stands for its `__init__.py`."""
    return src.with_suffix("").as_posix().removesuffix("/__init__")


def _is_main(tree: ast.Module) -> bool:
    tests = (ast.unparse(n.test) for n in tree.body if isinstance(n, ast.If))
    return "__name__ == '__main__'" in tests


def _imports(
    tree: ast.Module, src: pathlib.Path
) -> Iterator[tuple[str, str | None]]:
    """Modules and, of a from-import, what is taken out of each."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None
        elif isinstance(node, ast.ImportFrom):
            # One dot is the package that the file is in, two its parent.
            start = src.parts[: -node.level] if node.level else ()
            module = ".".join((*start, *filter(None, [node.module])))
            for alias in node.names:
                yield module, alias.name


def _labels(module: str, attribute: str | None, root: pathlib.Path) -> set[str]:
    """The target that an import needs; none in Python's own library."""
    first = module.partition(".")[0]
    if first in sys.stdlib_module_names:
        return set()
    if first not in DIRECTORIES:
        return {f"@pip//{PACKAGES.get(first, first)}"}
    for name in (f"{module}.{attribute}", module):
        path = pathlib.Path(*name.split("."))
        for src in (path.with_suffix(".py"), path / "__init__.py"):
            if (root / src).is_file():
                return {f":{_name(src)}"}
    raise ValueError(f"Expected a module of this project. Received: {module}.")


if __name__ == "__main__":
    (ROOT / "BUILD").write_text(render(expected()), encoding="utf-8")
