"""Every number that can be given has a finite range."""

from __future__ import annotations

import dataclasses
import math

import pytest

from and_tf.training.config import TrainConfig
from and_tf.utils.errors import InputError
from and_tf.utils.flag_config import check_fields
from tests.main_configs import MAINS, configs_of

CONFIGS = sorted(
    {config for main in MAINS for config in configs_of(main)},
    key=lambda config: config.__name__,
)
NUMBERS = [
    (config, field)
    for config in CONFIGS
    for field in dataclasses.fields(config)
    if field.metadata.get("type", type(field.default)) in (int, float)
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
    fields = dataclasses.fields(config)
    given = {f.name: "x" for f in fields if "required" in f.metadata}
    for value in wrong:
        with pytest.raises(InputError, match=f"Expected --{field.name} "):
            config(**{**given, field.name: value})


def test_an_infinite_number_without_a_bound_is_refused_too():
    @dataclasses.dataclass
    class Unbounded:
        x: float = 1.0

    with pytest.raises(InputError, match="--x to be a finite number"):
        check_fields(Unbounded(math.inf))


def test_all_epochs_have_room_in_the_names_of_checkpoints():
    with pytest.raises(InputError, match="99,999 epochs in all rounds"):
        TrainConfig(rounds=1000, epochs_per_round=1000)
