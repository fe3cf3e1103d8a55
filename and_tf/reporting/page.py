"""Renders pages from templates, each as one file that needs no other."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import pathlib
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jinja2

from and_tf.training import result_file
from and_tf.utils import atomic_files
from and_tf.utils.flag_config import RunConfig
from and_tf.utils.progress import duration

UNKNOWN = "–"
REMEDY = "Make room or choose another --output, then run it again."


class Section(NamedTuple):
    """A part of a page.

    Attributes:
        name: Its anchor, and the block of the template that writes it.
        title: Its heading.
        values: Takes what the page is about and returns what the block shows,
            which the template finds under `name`; None leaves the section out.
    """

    name: str
    title: str
    values: Callable[[Any], Mapping[str, Any] | None]


class Bar(NamedTuple):
    """A cell of a table that draws a share, in blue where it was learnt."""

    share: float
    trained: bool


def write(
    template: str, shown: Any, sections: Sequence[Section], output: pathlib.Path
) -> None:
    """Writes a page, and prints where it is and how large.

    Args:
        template: Name of the page's template.
        shown: A run or a clustering, with its name and its directory.
        sections: All that the page may have, in order.
        output: The file.

    Raises:
        InputError: If result.json lacks something that the page shows, or if
            there is no room, or no right to write.
    """
    with result_file.using(shown.directory.result):
        page = render(template, shown, sections)
    atomic_files.write_text(output, page, REMEDY)
    print(f"\nwrote {output} ({output.stat().st_size / 2**20:.1f} MiB)")


def render(
    template: str | jinja2.Template, shown: Any, sections: Sequence[Section]
) -> str:
    """Renders a page as HTML 5.

    Args:
        template: Extends page.html.j2, with a block for each section.
        shown: What the page is about; its `name` is the title.
        sections: All that the page may have, in order.

    Raises:
        LookupError: If the template needs a value that is not there.
    """
    found = {section.name: section.values(shown) for section in sections}
    present = [s for s in sections if found[s.name] is not None]
    try:
        return (
            environment()
            .get_template(template)
            .render(found, shown=shown, sections=present)
        )
    except jinja2.TemplateRuntimeError as error:
        raise LookupError(str(error)) from error


@functools.cache
def environment() -> jinja2.Environment:
    """The templates of this package: text is escaped, gaps are errors."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("and_tf.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (percent, number, duration, utc)
    found.filters |= {filter_.__name__: filter_ for filter_ in filters}
    found.globals |= {"command": command, "known_columns": known_columns}
    return found


def percent(share: float | None) -> str:
    """Writes 0.5332 as "53.3 %", and None as a dash."""
    return UNKNOWN if share is None else f"{100 * share:.1f} %"


def number(value: int | float | None) -> str:
    """Writes 50000 as "50,000", and None as a dash."""
    return UNKNOWN if value is None else f"{value:,}"


def bar(share: float | None, trained: bool) -> Bar | str:
    """Draws a share as a cell of a table, and None as a dash."""
    return UNKNOWN if share is None else Bar(share, trained)


def utc(written: str) -> str:
    """Writes an ISO 8601 time in UTC for people."""
    return f"{datetime.datetime.fromisoformat(written):%Y-%m-%d %H:%M} UTC"


def known_columns(
    head: Sequence[Any], rows: Iterable[Sequence[Any]]
) -> tuple[list[Any], list[list[Any]]]:
    """Leaves out the columns of a table in which nothing is known."""
    rows = list(rows)
    kept = [
        place
        for place in range(len(head))
        if any(row[place] != UNKNOWN for row in rows)
    ]
    return [head[i] for i in kept], [[row[i] for i in kept] for row in rows]


def command(module: str, **flags: Any) -> str:
    """Writes a command as a shell takes it; flags that are None are left out.

    >>> command("report", run_dir="a run")
    "python -m and_tf.report '--run_dir=a run'"
    """
    words = [f"--{k}={v}" for k, v in flags.items() if v is not None]
    return shlex.join(["python", "-m", f"and_tf.{module}", *words])


def config_command(module: str, config: RunConfig) -> str:
    """Writes the command that a config came from, one flag a line."""
    given = [
        f"--{field.name}={shlex.quote(str(value))}"
        for field in dataclasses.fields(config)
        if (value := getattr(config, field.name)) != field.default
        and field.name != "resume"
    ]
    return " \\\n    ".join([f"python -m and_tf.{module}", *given])
