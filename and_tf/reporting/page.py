"""Sections as one HTML page that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Sequence

from and_tf.reporting.markup import Html, element, join
from and_tf.reporting.section import Section
from and_tf.reporting.style import STYLE

# The browser itself is told to load nothing: what should ever be forgotten
# here shows at once, and never asks the network.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def render(title: str, head: Html, sections: Sequence[Section]) -> str:
    """Writes the page.

    Args:
        title: Of the page.
        head: What stands below the title, above all sections.
        sections: In order.

    Returns:
        HTML 5, in UTF-8 once it is encoded.
    """
    links = [
        element("li", element("a", s.title, href=f"#{s.name}"))
        for s in sections
    ]
    contents = element("nav", element("ul", *links), aria_label="Contents")
    parts = [
        element(
            "section",
            element("h2", section.title, id=f"{section.name}-title"),
            section.content,
            id=section.name,
            aria_labelledby=f"{section.name}-title",
        )
        for section in sections
    ]
    body = element(
        "body",
        element("header", element("h1", title), head),
        contents,
        element("main", *parts),
    )
    return (
        f"<!doctype html>\n{element('html', _head(title), body, lang='en')}\n"
    )


def _head(title: str) -> Html:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element(
            "meta",
            name_="viewport",
            content="width=device-width, initial-scale=1",
        ),
        element("meta", name_="color-scheme", content="light dark"),
        element("title", title),
        # Style is no text: what it holds is not escaped.
        join(Html(f"<style>{STYLE}</style>")),
    )
