"""HTML from Python, where text is escaped unless it is markup already."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

VOID = ("img", "meta")  # Elements without content.
UNKNOWN = "–"


class Html(str):
    """Text that is markup already, and stays as it is."""


def join(*children: Any) -> Html:
    """Puts children one after another; what is no `Html` is escaped."""
    return Html(
        "".join(
            child if isinstance(child, Html) else html.escape(str(child))
            for child in children
        )
    )


def element(name: str, *children: Any, **attributes: Any) -> Html:
    """An element.

    Args:
        name: Its tag.
        *children: `Html`, or anything else, which is written as text.
        **attributes: By name, "_" for "-" and after a word of Python's own;
            True is written without a value, None and False not at all.
    """
    written = "".join(
        _attribute(key.rstrip("_").replace("_", "-"), value)
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(*children)}</{name}>")


def _attribute(name: str, value: Any) -> str:
    if value is True:
        return f" {name}"
    return f' {name}="{html.escape(str(value))}"'


def paragraph(*children: Any) -> Html:
    """A paragraph of running text."""
    return element("p", *children)


def note(*children: Any) -> Html:
    """What is not there, and why."""
    return element("p", *children, class_="note")


def code(text: str) -> Html:
    """A name, or a command, within a sentence."""
    return element("code", text)


def block(text: str) -> Html:
    """Commands, or a file, in lines of their own."""
    return scrolling("Text", element("pre", element("code", text)))


def details(summary: str, *children: Any, open_: bool = False) -> Html:
    """What is shown when it is asked for."""
    return element(
        "details", element("summary", summary), *children, open=open_
    )


def scrolling(label: str, *children: Any) -> Html:
    """What may be wider than the page: it scrolls in a box of its own.

    Args:
        label: What it is, for those who do not see it.
        *children: Its content.
    """
    return element(
        "div", *children, class_="scroll", role="region", aria_label=label,
        tabindex=0,
    )  # fmt: skip


def table(
    caption: Any, head: Sequence[Any], rows: Iterable[Sequence[Any]]
) -> Html:
    """A table whose first row and column are heads.

    Args:
        caption: What it is of; stands above it.
        head: Names of the columns.
        rows: A cell a column each; `Html` that is a cell, `<td …>` or
            `<th …>`, is taken as it is, in the head too.
    """
    names = [_cell(name, "th", scope="col") for name in head]
    lines = [
        element("tr", _cell(row[0], "th", scope="row"), *map(_cell, row[1:]))
        for row in rows
    ]
    return scrolling(
        "Table",
        element(
            "table",
            element("caption", caption),
            element("thead", element("tr", *names)),
            element("tbody", *lines),
        ),
    )


def _cell(content: Any, name: str = "td", **attributes: str) -> Html:
    if isinstance(content, Html) and content.startswith(f"<{name}"):
        return content
    return element(name, content, **attributes)


def cards(figures: Iterable[tuple[Any, Any]]) -> Html:
    """Headline figures with their names, the first one set apart."""
    items = [
        element(
            "li",
            element("b", figure),
            element("span", name),
            class_=None if place else "first",
        )
        for place, (figure, name) in enumerate(figures)
    ]
    return element("ul", *items, class_="cards")


def facts(named: Iterable[tuple[str, Any]]) -> Html:
    """Names with their values, a line each."""
    parts = [
        element(tag, text)
        for name, value in named
        for tag, text in (("dt", name), ("dd", value))
    ]
    return element("dl", *parts, class_="facts")


def bar(share: float | None, trained: bool) -> str:
    """A share as a table's cell, drawn; in blue what was learnt."""
    if share is None:
        return UNKNOWN
    drawn = element(
        "i",
        class_="trained" if trained else None,
        style=f"--share:{100 * share:.1f}",
    )
    return element("td", drawn, class_="bar")


def known_columns(
    head: Sequence[Any], rows: Sequence[Sequence[Any]]
) -> tuple[list[Any], list[list[Any]]]:
    """Head and rows without the columns in which nothing is known."""
    kept = [
        place
        for place in range(len(head))
        if any(row[place] != UNKNOWN for row in rows)
    ]
    return [head[i] for i in kept], [[row[i] for i in kept] for row in rows]


def percent(share: float | None) -> str:
    """0.5332 as "53.3 %", nothing known as a dash."""
    return UNKNOWN if share is None else f"{100 * share:.1f} %"


def number(value: int | float | None) -> str:
    """50000 as "50,000", nothing known as a dash."""
    return UNKNOWN if value is None else f"{value:,}"
