"""Markup: what is escaped, and what is left as it is."""

from __future__ import annotations

import pytest

from and_tf.reporting.markup import (
    element,
    join,
    known_columns,
    number,
    percent,
    table,
)
from tests.reporting.parsed_page import Page

HOSTILE = "<b>&\"'</p>"


def test_text_is_escaped_and_markup_is_not():
    inner = element("em", HOSTILE)
    page = Page(element("p", HOSTILE, inner, title=HOSTILE))
    assert [tag for tag, _ in page.elements] == ["p", "em"]
    assert page.elements[0][1] == {"title": HOSTILE}
    assert page.sections[""] == 2 * HOSTILE
    assert join(inner, inner) == 2 * inner


def test_attributes_that_are_none_are_left_out():
    assert element("details", open=True) == "<details open></details>"
    assert element("p", class_=None, hidden=False) == "<p></p>"
    assert element("img", aria_label="x") == '<img aria-label="x">'


def test_a_table_has_heads_both_ways():
    page = Page(table(HOSTILE, ("", HOSTILE), [("row", HOSTILE)]))
    assert page.tables == {HOSTILE: [["", HOSTILE], ["row", HOSTILE]]}
    scopes = [a["scope"] for tag, a in page.elements if tag == "th"]
    assert scopes == ["col", "col", "row"]


def test_columns_of_which_nothing_is_known_are_left_out():
    rows = [("a", "–", "1"), ("b", "–", "–")]
    head, kept = known_columns(("", "x", "y"), rows)
    assert head == ["", "y"]
    assert kept == [["a", "1"], ["b", "–"]]


@pytest.mark.parametrize(
    ("share", "text"), [(0.5332, "53.3 %"), (0.0, "0.0 %"), (None, "–")]
)
def test_percent(share, text):
    assert percent(share) == text


def test_numbers():
    assert [number(n) for n in (50000, 0, None)] == ["50,000", "0", "–"]
