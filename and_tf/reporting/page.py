"""Renders pages from templates, each as one self-contained file."""

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
from and_tf.utils import atomic_files, averages, provenance
from and_tf.utils.flag_config import RunConfig
from and_tf.utils.progress import duration

UNKNOWN = "–"
REMEDY = "Make room or choose another --output, then run it again."


class Section(NamedTuple):
    """A part of a page.

    Attributes:
        name: The HTML anchor of the section, and the name of the template's
            block that writes it.
        title: The heading of the section.
        values: A function of the run or clustering that returns the values of
            the block, which the template finds under `name`. If it returns
            None, the section is left out.
    """

    name: str
    title: str
    values: Callable[[Any], Mapping[str, Any] | None]


class Bar(NamedTuple):
    """A table cell that draws a share, in blue if it was learnt."""

    share: float
    trained: bool


def write(
    template: str, shown: Any, sections: Sequence[Section], output: pathlib.Path
) -> None:
    """Writes a page, and prints its path and size.

    Args:
        template: The name of the page's template.
        shown: A run or a clustering, with its name and its directory.
        sections: All sections that the page may have, in order.
        output: The path of the file to write.

    Raises:
        InputError: If result.json lacks a value that the page shows, or if the
            file cannot be written.
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
        template: A template that extends page.html.j2, with a block for each
            section.
        shown: The run or clustering; its `name` is the title of the page.
        sections: All sections that the page may have, in order.

    Raises:
        LookupError: If a value that the template needs is missing.
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
    """Returns the environment that renders this package's templates.

    It escapes text, and raises errors for missing values.
    """
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("and_tf.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (percent, number, duration, utc)
    found.filters |= {filter_.__name__: filter_ for filter_ in filters}
    found.globals |= {
        "command": command,
        "known_columns": known_columns,
        "has_seen_labels": provenance.has_seen_labels,
        "describe_weights": provenance.describe,
    }
    return found


def percent(
    share: float | None, digits: int = 1, deviation: float | None = None
) -> str:
    """Formats 0.5332 as "53.3 %", and None as a dash."""
    return averages.percent(share, digits, deviation, UNKNOWN)


def number(value: int | float | None) -> str:
    """Formats 50000 as "50,000", and None as a dash."""
    return UNKNOWN if value is None else f"{value:,}"


def bar(share: float | None, trained: bool) -> Bar | str:
    """Makes a table cell that draws a share, or a dash for None."""
    return UNKNOWN if share is None else Bar(share, trained)


def utc(written: str) -> str:
    """Formats an ISO 8601 time in UTC, such as "2024-05-01 12:30 UTC"."""
    return f"{datetime.datetime.fromisoformat(written):%Y-%m-%d %H:%M} UTC"


def known_columns(
    head: Sequence[Any], rows: Iterable[Sequence[Any]]
) -> tuple[list[Any], list[list[Any]]]:
    """Removes the columns of a table that have only unknown values.

    Args:
        head: The heading of each column.
        rows: The cells of each row.

    Returns:
        The remaining headings, and the remaining cells of each row.
    """
    rows = list(rows)
    kept = [
        place
        for place in range(len(head))
        if any(row[place] != UNKNOWN for row in rows)
    ]
    return [head[i] for i in kept], [[row[i] for i in kept] for row in rows]


def command(module: str, **flags: Any) -> str:
    """Returns a command in shell syntax, without flags that are None.

    >>> command("report", run_dir="a run")
    "python -m and_tf.report '--run_dir=a run'"
    """
    words = [f"--{k}={v}" for k, v in flags.items() if v is not None]
    return shlex.join(["python", "-m", f"and_tf.{module}", *words])


def config_command(module: str, config: RunConfig) -> str:
    """Returns the command that makes a config, with one flag per line."""
    given = [
        f"--{field.name}={shlex.quote(str(value))}"
        for field in dataclasses.fields(config)
        if (value := getattr(config, field.name)) != field.default
        and field.name != "resume"
    ]
    return " \\\n    ".join([f"python -m and_tf.{module}", *given])
