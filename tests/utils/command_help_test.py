"""--help of every command."""

from __future__ import annotations

import dataclasses
import re
import shlex

import pytest

from and_tf.scan.config import ClusterConfig
from and_tf.utils import command_help, flag_files
from and_tf.utils.flag_config import Group, from_flags
from tests.main_configs import MAINS, configs_of, flags_of, module_of


def shown(main: str, width: int = 80) -> str:
    description = module_of(main).__doc__
    return command_help.text(description, configs_of(main), width)


@pytest.mark.parametrize("main", MAINS)
def test_begins_with_some_examples_that_can_be_given(main):
    examples = command_help.examples_of(module_of(main).__doc__)
    assert 3 <= len(examples) <= 5
    text = shown(main)
    assert text.startswith("Examples:\n")
    for example in examples:
        assert example[:40] in text
        _, _, module, *arguments = shlex.split(example)
        assert module == main.removesuffix(".__main__")
        configs = configs_of(main)
        if "--command=cluster" in arguments:
            configs[-1] = ClusterConfig
        values = flags_of(configs)
        left = values(["", *flag_files.expand(arguments)])
        assert left == [""]
        for config in configs:
            from_flags(config, values)  # Refuses what the command refuses.


@pytest.mark.parametrize("main", MAINS)
def test_every_flag_stands_once_in_its_group(main):
    text = shown(main)
    fields = [f for one in configs_of(main) for f in dataclasses.fields(one)]
    of_all = ["flagfile", "debug", "help", "helpfull"]
    listed = re.findall(r"^  --(?:\[no\])?(\w+)", text, re.MULTILINE)
    assert sorted(listed) == sorted([*(f.name for f in fields), *of_all])
    for field in fields:
        before = re.split(rf"\n  --(?:\[no\])?{field.name}\b", text)[0]
        heading = re.findall(r"^(\S.*):$", before, re.MULTILINE)[-1]
        assert heading == field.metadata["group"].value
        description = " ".join(field.metadata["help"].split())
        assert description in " ".join(text.split())
        assert description.endswith("."), field.name


@pytest.mark.parametrize("main", MAINS)
@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal_or_80(main, width):
    lines = shown(main, width).splitlines()
    assert max(map(len, lines)) <= 80
    if width < 80:  # Examples alone stay as they can be copied.
        lines = lines[lines.index("") + 1 :]
        lines = lines[next(i for i, x in enumerate(lines) if x[:1] > " ") :]
    assert max(map(len, lines)) <= width


def test_says_units_choices_and_defaults():
    text = shown("and_tf.train")
    for line in (
        "  --batch_size=IMAGES  (default: 128)\n",
        "  --checkpoint_seconds=SECONDS  (default: 60)\n",
        "  --[no]baselines  (default: true)\n",
        "  --data_dir=PATH\n",
        "  --learning_rate_schedule=step|cosine|constant  (default: step)\n",
    ):
        assert line in text
    assert "  --run_dir=PATH  (required)\n" in shown("and_tf.evaluate")


def test_groups_stand_in_their_order():
    headings = re.findall(r"^(\S.*):$", shown("and_tf.train"), re.MULTILINE)
    order = [group.value for group in Group]
    assert headings[0] == "Examples" and headings[-1] == "All commands"
    assert headings[1:-1] == sorted(headings[1:-1], key=order.index)
