"""Makes the text of --help: examples, description, and flags by group."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from collections.abc import Iterator, Sequence

from and_tf.utils.flag_config import Group

WIDEST = 80  # Columns; longer lines are hard to read on any terminal.
_EXAMPLES = re.compile(r"\nExamples:\n((?:\n| .*\n)+)")
_OF_ALL = (
    ("--flagfile=PATH", "File with flags, one on each line, such as those in "
     "configs/. A flag that is given after it wins."),
    ("--[no]debug  (default: false)", "Show the stack trace of an error too."),
    ("--help", "Show this text."),
    ("--helpfull", "Show every flag, those of absl's logging among them."),
)  # fmt: skip


def text(description: str, configs: Sequence[type], width: int = WIDEST) -> str:
    """Makes the text of --help.

    Args:
        description: The docstring of the main: a line that says what it does,
            an indented section `Examples:`, and further paragraphs.
        configs: The classes whose fields are the flags of the command.
        width: The number of columns of the terminal; lines are at most
            `WIDEST` long.
    """
    width = min(width, WIDEST)
    description = description.strip() + "\n"
    examples = _EXAMPLES.search(description)
    shown = examples[1].strip("\n") if examples else ""
    rest = _EXAMPLES.sub("\n", description)
    parts = [f"Examples:\n\n{shown}\n"] if shown else []
    parts += [_filled(block, width) for block in rest.strip().split("\n\n")]
    parts += _groups(configs, width)
    return "\n".join(parts)


def examples_of(description: str) -> list[str]:
    """Returns the commands in the examples of a main's docstring."""
    found = _EXAMPLES.search(description.strip() + "\n")
    joined = re.sub(r"\\\n\s*", "", found[1]) if found else ""
    return re.findall(r"^\s*(python -m .*)$", joined, re.MULTILINE)


def _filled(block: str, width: int) -> str:
    """Wraps a paragraph, unless it is indented."""
    if block.startswith(" "):
        return block + "\n"
    return (
        textwrap.fill(" ".join(block.split()), width, break_on_hyphens=False)
        + "\n"
    )


def _groups(configs: Sequence[type], width: int) -> Iterator[str]:
    """Yields each group's heading and flags, in the order of `Group`."""
    fields = [field for one in configs for field in dataclasses.fields(one)]
    for group in Group:
        own = [f for f in fields if f.metadata["group"] is group]
        if own:
            flags = [(_usage(field), field.metadata["help"]) for field in own]
            yield _group(group.value, flags, width)
    yield _group("All commands", _OF_ALL, width)


def _group(heading: str, flags: Sequence[tuple[str, str]], width: int) -> str:
    lines = [f"{heading}:", ""]
    for usage, description in flags:
        lines += _indented(usage, width, 2)
        lines += _indented(description, width, 6)
    return "\n".join(lines) + "\n"


def _indented(content: str, width: int, by: int) -> list[str]:
    return textwrap.wrap(
        content,
        width,
        initial_indent=" " * by,
        subsequent_indent=" " * max(by, 6),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _usage(field: dataclasses.Field) -> str:
    """Returns a flag's usage: "--batch_size=IMAGES  (default: 128)"."""
    notes = field.metadata
    kind = notes.get("type", type(field.default))
    if kind is bool:
        usage = f"--[no]{field.name}"
    else:
        usage = f"--{field.name}={_value(field)}"
    if "required" in notes:
        return f"{usage}  (required)"
    if field.default in ("", None, ()):
        return usage
    default = field.default
    shown = f"{default:g}" if isinstance(default, float) else str(default)
    return f"{usage}  (default: {shown.lower() if kind is bool else shown})"


def _value(field: dataclasses.Field) -> str:
    """Describes a flag's value: its choices, its unit, or its type."""
    notes = field.metadata
    if "choices" in notes:
        return "|".join(notes["choices"])
    if "unit" in notes:
        return notes["unit"].upper()
    if notes.get("path"):
        return "PATH"
    return "TEXT" if isinstance(field.default, str) else "NUMBER"
