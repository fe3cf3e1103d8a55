"""The page as a browser shows it: Chromium, from disk, without a network."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import types

import numpy as np
import pytest

from and_tf.data.split import in_memory
from and_tf.figures.canvas import save_png
from and_tf.reporting.charts import Chart, Curve
from and_tf.reporting.page import Section, environment, render
from and_tf.reporting.pictures import Tile, groups, saved_picture
from tests import browser

PHONE, DESKTOP = (390, 844), (1280, 900)
DECODED = """Promise.all([...document.images].map(image => image.decode()))
  .then(() => [...document.images].map(image => image.naturalWidth))"""
TOO_WIDE = """[...document.querySelectorAll("body *")].filter(element =>
  element.getBoundingClientRect().right > innerWidth + 0.5
  && !element.closest(".scroll")).map(element => element.outerHTML)"""
PARTS = """{% extends "page.html.j2" %}
{% import "parts.html.j2" as parts %}
{% block s %}
<p>A note</p>
{{ parts.table("A caption " * 20, range(40), [range(40) | list] * 2) }}
{{ parts.line_chart(s.chart) }}
<details><summary>closed</summary>{{ parts.groups(s.groups) }}</details>
{{ parts.groups(s.groups) }}
{{ parts.block("a command " * 50) }}
{{ parts.picture(s.picture, "a picture") }}
{% endblock %}
"""
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> pathlib.Path:
    """Everything that sections are made of, wider than a phone."""
    rng = np.random.default_rng(0)
    place = tmp_path_factory.mktemp("page")
    save_png(rng.integers(0, 255, (300, 1400, 3), np.uint8), place / "p.png")
    splits = [
        in_memory(
            name, rng.integers(0, 255, (4, side, side, 3), np.uint8), None
        )
        for name, side in (("small", 8), ("large", 150))
    ]
    splits = [
        dataclasses.replace(s, file_names=("a" * 90 + ".jpg",) * 4)
        for s in splits
    ]
    rows = [[Tile(s, i, "query", ("H 1",)) for i in range(4)] for s in splits]
    values = {
        "chart": Chart(
            "loss", "epoch", [Curve("c", "blue", *[np.arange(9.0)] * 2)]
        ),
        "groups": groups(rows),
        "picture": saved_picture(place / "p.png"),
    }
    shown = types.SimpleNamespace(name="title" * 30)
    text = render(
        environment().from_string(PARTS),
        shown,
        [Section("s", "title", lambda _: values)],
    )
    path = place / "page.html"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    found = browser.find()
    if found is None:
        pytest.skip(f"no browser here: none of {', '.join(browser.NAMES)}")
    with browser.tab(found, tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_everything_is_shown_and_nothing_asked(page, tab, size, dark):
    tab.open(page, *size, dark=dark)
    assert tab.evaluate("innerWidth") == size[0]
    widths = tab.evaluate(DECODED)
    assert len(widths) == 17 and min(widths) >= 8
    assert tab.evaluate("document.documentElement.scrollWidth") == size[0]
    assert tab.evaluate(TOO_WIDE) == []
    assert not tab.told("Runtime.exceptionThrown")
    assert not tab.told("Runtime.consoleAPICalled")
    assert not tab.told("Log.entryAdded")
    asked = [e["request"]["url"] for e in tab.told("Network.requestWillBeSent")]
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}


def test_wide_things_scroll_in_a_box_of_their_own(page, tab):
    tab.open(page, *PHONE)
    boxes = tab.evaluate(
        """[...document.querySelectorAll(".scroll")].map(box =>
        [box.scrollWidth > box.clientWidth, getComputedStyle(box).overflowX])"""
    )
    assert boxes == [[True, "auto"]] * 4  # Table, chart, command, picture.


def test_night_is_dark_and_can_be_read(page, tab):
    """Every text has the contrast that WCAG 2 asks for, by day and night."""
    papers = []
    for dark in (False, True):
        tab.open(page, *DESKTOP, dark=dark)
        papers.append(tab.evaluate(BACKGROUND))
        colours = tab.evaluate(
            """[...document.querySelectorAll("p, th, td, a, h1, code, caption,"
            + "figcaption, summary, .name")].map(e => getComputedStyle(e))
            .map(style => style.fill.startsWith("rgb(0, 0, 0")
              ? style.color : style.fill)"""
        )
        assert colours
        worst = min(map(functools.partial(contrast, papers[-1]), set(colours)))
        assert worst >= 4.5
    assert luminance(papers[0]) > 0.9 and luminance(papers[1]) < 0.05


def luminance(colour: str) -> float:
    """Relative luminance of "rgb(r, g, b)", as WCAG 2 defines it."""
    parts = colour.partition("(")[2].rstrip(")").split(",")[:3]
    s = np.array(parts, float) / 255
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def test_a_request_that_was_forgotten_is_refused(page, tab, tmp_path):
    """The page's own policy holds against what a section might let slip."""
    (tmp_path / "beside.png").write_bytes((page.parent / "p.png").read_bytes())
    text = page.read_text(encoding="utf-8")
    slipped = tmp_path / "slipped.html"
    slipped.write_text(
        text.replace("</main>", '<img src="beside.png" alt=""></main>'),
        encoding="utf-8",
    )
    tab.open(slipped, *DESKTOP)
    width = tab.evaluate("[...document.images].at(-1).naturalWidth")
    assert width == 0
    assert "Content Security Policy" in str(tab.told("Log.entryAdded"))
