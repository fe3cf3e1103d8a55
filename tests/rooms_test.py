"""Imports between rooms run down: no room imports one on its floor or above."""

from __future__ import annotations

import ast
import pathlib
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).parents[1]
# From the ground up. A room is a package; mains are modules beside the rooms.
FLOORS = (
    ("and_tf.utils",),
    ("and_tf.augmentation", "and_tf.distribution", "and_tf.storage"),
    ("and_tf.data",),
    ("and_tf.encoders", "and_tf.search"),
    ("and_tf.method",),
    ("and_tf.evaluation", "and_tf.figures", "and_tf.pretexts"),
    ("and_tf.training",),
    ("and_tf.finetuning", "and_tf.protocols", "and_tf.scan"),
    ("and_tf.reporting", "and_tf.sweeping", "export"),
    ("export.tflite",),
    ("export.embeddings",),
    ("export.serving",),
    ("and_tf.exploring",),
    ("export.beam",),
    ("and_tf",),
    ("export mains",),
)
MAINS = {
    "export.beam.assign",
    "export.beam.duplicates",
    "export.beam.embed",
    "export.beam.neighbours",
    "export.client",
    "export.embed",
    "export.keras_model",
    "export.onnx",
    "export.saved_model",
    "export.scripts",
    "export.search",
    "export.tflite.__main__",
}
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def _modules() -> Iterator[tuple[str, pathlib.Path]]:
    for top in ("and_tf", "export"):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts).removesuffix(".__init__"), path


def _room(module: str) -> str:
    """Returns the room that a module is in, by its longest known package."""
    if module in MAINS:
        return "export mains"
    while module not in FLOOR:
        module = module.rpartition(".")[0]
    return module


def _imports(path: pathlib.Path, known: set[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name in known)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if whole in known or node.module in known:
                    yield whole if whole in known else node.module


@pytest.mark.parametrize("floor", range(len(FLOORS)))
def test_no_import_goes_up(floor: int) -> None:
    modules = dict(_modules())
    up = [
        f"{module} imports {imported}"
        for module, path in modules.items()
        if FLOOR[_room(module)] == floor
        for imported in _imports(path, set(modules))
        if _room(imported) != _room(module)
        and FLOOR[_room(imported)] >= floor
        # Their __init__ holds the version alone.
        and imported not in ("and_tf", "export")
    ]
    assert not up, "\n".join(up)


def test_every_room_is_on_a_floor() -> None:
    rooms = {
        f"{path.parent.parent.name}.{path.parent.name}"
        for top in ("and_tf", "export")
        for path in (ROOT / top).glob("*/__init__.py")
    }
    assert rooms == {room for room in FLOOR if "." in room}


def test_mains_are_found() -> None:
    modules = {module for module, _ in _modules()}
    assert modules >= MAINS
