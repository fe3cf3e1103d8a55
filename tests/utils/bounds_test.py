"""Every number that can be given has a finite range."""

from __future__ import annotations

import ast
import dataclasses
import math
import pathlib

import pytest
from absl import flags

from and_tf.protocols.config import Options
from and_tf.scan.config import ClusterConfig
from and_tf.training.config import TrainConfig, check_fields
from and_tf.utils import bounds
from and_tf.utils.errors import InputError

ROOT = pathlib.Path(__file__).parents[2]
CONFIGS = {
    TrainConfig: {},
    ClusterConfig: {"run_dir": "runs/x"},
    Options: {},
}
NUMBERS = [
    (config, field)
    for config in CONFIGS
    for field in dataclasses.fields(config)
    if type(field.default) in (int, float)
]
MAINS = [
    path
    for package in ("and_tf", "export")
    for path in sorted((ROOT / package).rglob("*.py"))
    if "cli.run(main" in path.read_text("utf-8")
]


@pytest.mark.parametrize(
    ("config", "field"),
    NUMBERS,
    ids=[f"{config.__name__}.{field.name}" for config, field in NUMBERS],
)
def test_numbers_of_configs_have_a_finite_range(config, field):
    notes = field.metadata
    assert math.isfinite(notes["most"])
    lower = [notes[note] for note in ("least", "above") if note in notes]
    assert len(lower) == 1 and lower[0] < notes["most"]
    wrong = [10**12, -(10**12)]
    if type(field.default) is float:
        wrong = [math.inf, -math.inf, math.nan]
    for value in wrong:
        with pytest.raises(InputError, match=f"Expected --{field.name} "):
            config(**{**CONFIGS[config], field.name: value})


def test_there_are_the_mains_that_users_know():
    # A package is run by its `__main__`.
    names = {
        path.parent.name if path.stem == "__main__" else path.stem
        for path in MAINS
    }
    assert {"train", "cluster", "evaluate", "sweep", "report"} <= names
    assert {"saved_model", "tflite", "embed", "search", "client"} <= names


@pytest.mark.parametrize("path", MAINS, ids=[path.stem for path in MAINS])
def test_mains_define_numbers_by_their_range(path):
    """`define_number` demands one; absl's own functions do not."""
    called = {
        node.func.attr
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not called & {
        "DEFINE_integer",
        "DEFINE_float",
        "DEFINE_multi_integer",
        "DEFINE_multi_float",
    }


@pytest.mark.parametrize(
    ("default", "text", "said"),
    [
        (1.0, "inf", "--x of at most 5. Received: inf"),
        (1.0, "nan", "--x above 0. Received: nan"),
        (1.0, "0", "--x above 0. Received: 0"),
        (1, "4294967296", "--x of at most 5. Received: 4294967296"),
    ],
)
def test_flags_are_checked_as_they_are_parsed(default, text, said):
    values = flags.FlagValues()
    bounds.define_number("x", default, "", above=0, most=5, values=values)
    with pytest.raises(flags.IllegalFlagValueError, match=said):
        values(["", f"--x={text}"])
    values(["", "--x=4"])
    assert values["x"].value == 4


def test_a_number_without_a_lower_end_is_a_mistake():
    with pytest.raises(TypeError, match="least or above"):
        bounds.define_number("x", 1, "", most=5, values=flags.FlagValues())


def test_an_infinite_number_without_a_bound_is_refused_too():
    @dataclasses.dataclass
    class Unbounded:
        x: float = 1.0

    with pytest.raises(InputError, match="--x to be a finite number"):
        check_fields(Unbounded(math.inf))


def test_all_epochs_have_room_in_the_names_of_checkpoints():
    with pytest.raises(InputError, match="99,999 epochs in all rounds"):
        TrainConfig(rounds=1000, epochs_per_round=1000)
