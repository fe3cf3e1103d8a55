"""Parses a page by Python's own HTML parser."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"img", "meta", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """The elements, tables and text of a page.

    Args:
        text: The HTML of the page.

    Attributes:
        elements: The (tag, attributes) of every element, in order.
        tables: Tables by caption, as rows of the cells' texts, with headers.
        sections: The text of each section by its id; "" is the text outside
            of sections. As in a browser, words are separated by one space.
        unclosed: The tags that are not closed, or closed in a wrong order.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.sections: dict[str, str] = {}
        self.unclosed: list[str] = []
        self._open: list[str] = []
        self._section = ""
        self._rows: list[list[str]] = []
        self._caption = ""
        self.feed(text)
        self.close()
        self.unclosed += self._open
        for name, text in self.sections.items():
            self.sections[name] = " ".join(text.split())

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "section":
            self._section = attributes["id"]
        elif tag == "table":
            self._rows, self._caption = [], ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.unclosed.append(tag)
        if tag == "section":
            self._section = ""
        elif tag == "table":
            self.tables[" ".join(self._caption.split())] = self._rows

    def handle_data(self, data):
        if "style" in self._open:
            return
        known = self.sections.get(self._section, "")
        self.sections[self._section] = known + data
        if "caption" in self._open:
            self._caption += data
        elif {"td", "th"} & set(self._open):
            self._rows[-1][-1] += data

    def table(self, beginning: str) -> list[list[str]]:
        """Returns the table whose caption begins with a text."""
        (found,) = (
            rows
            for caption, rows in self.tables.items()
            if caption.startswith(beginning)
        )
        return found

    def images(self) -> list[dict[str, str]]:
        """Returns the attributes of all images."""
        return [attributes for tag, attributes in self.elements if tag == "img"]
