"""Templates: what is escaped, what is left out, and what is missed."""

from __future__ import annotations

import types

import pytest

from and_tf.reporting import page
from tests.reporting.parsed_page import Page

HOSTILE = "<b>&\"'</p>"
BEGIN = '{% extends "page.html.j2" %}{% import "parts.html.j2" as parts %}'


def rendered(block: str, **values) -> Page:
    """A page with one section, called "part"."""
    source = f"{BEGIN}{{% block part %}}{block}{{% endblock %}}"
    template = page.environment().from_string(source)
    section = page.Section("part", HOSTILE, lambda shown: values)
    left_out = page.Section("absent", "Absent", lambda shown: None)
    shown = types.SimpleNamespace(name=HOSTILE)
    return Page(page.render(template, shown, [section, left_out]))


def test_text_is_escaped_wherever_it_stands():
    found = rendered(
        "{{ parts.table(part.x, ('', part.x), [('row', part.x)]) }}"
        "{{ parts.cards([(part.x, part.x)]) }}{{ parts.block(part.x) }}"
        "<p title='{{ part.x }}'>{{ part.x }}</p>",
        x=HOSTILE,
    )
    assert not found.unclosed
    assert [tag for tag, _ in found.elements].count("b") == 1  # The card's.
    assert found.tables == {HOSTILE: [["", HOSTILE], ["row", HOSTILE]]}
    assert ("p", {"title": HOSTILE}) in found.elements
    assert found.sections["part"].count(HOSTILE) == 8
    assert found.sections[""].count(HOSTILE) == 3  # Titles, and the link.


def test_a_table_has_heads_both_ways_and_no_column_of_dashes():
    found = rendered(
        "{{ parts.table('t', ('', 'x', 'y'), part.rows) }}",
        rows=[("a", "–", "1"), ("b", "–", "–")],
    )
    assert found.tables == {"t": [["", "y"], ["a", "1"], ["b", "–"]]}
    scopes = [a["scope"] for tag, a in found.elements if tag == "th"]
    assert scopes == ["col", "col", "row", "row"]


def test_a_section_without_values_is_left_out():
    found = rendered("x")
    links = [a["href"] for tag, a in found.elements if tag == "a"]
    assert links == ["#part"] and "absent" not in found.sections


@pytest.mark.parametrize("text", ["part.missing", "part.x.y", "part.x[1] + 1"])
def test_a_value_that_is_missing_is_an_error(text):
    with pytest.raises(LookupError, match="no (element|attribute)|no item"):
        rendered(f"{{{{ {text} }}}}", x={})


@pytest.mark.parametrize(
    ("share", "text"), [(0.5332, "53.3 %"), (0.0, "0.0 %"), (None, "–")]
)
def test_percent(share, text):
    assert page.percent(share) == text


def test_numbers():
    assert [page.number(n) for n in (50000, 0, None)] == ["50,000", "0", "–"]


def test_a_command_is_what_a_shell_takes():
    found = page.command("report", run_dir="a b", data_dir=None)
    assert found == "python -m and_tf.report '--run_dir=a b'"
