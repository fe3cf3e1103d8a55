"""Makes text from outside safe for consoles and spreadsheets.

Names of files and classes and the answers of servers may hold anything. A
terminal obeys escape sequences in them, and a spreadsheet runs a cell that
looks like a formula.
"""

from __future__ import annotations

import unicodedata

# The project itself prints characters that end a line or move the cursor, so a
# stream lets them pass; in a name they are escaped.
_LINE_CONTROLS = "\t\n\r"
# These change the order in which the characters after them are shown.
_BIDIRECTIONAL = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_SEPARATORS = "\u2028\u2029"  # They end a line in some terminals and editors.
_CONTROLS = [
    chr(code) for code in range(256) if unicodedata.category(chr(code)) == "Cc"
]
_OF_NAMES = {
    ord(c): c.encode("unicode_escape").decode()
    for c in (*_CONTROLS, *_BIDIRECTIONAL, *_SEPARATORS)
}
_OF_OUTPUT = {
    code: text
    for code, text in _OF_NAMES.items()
    if chr(code) not in _LINE_CONTROLS
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # As OWASP lists them.
_QUOTE = "'"  # Spreadsheets take a cell that begins with it for text.


def for_console(name: str) -> str:
    r"""Escapes the control characters of a name for a line of output.

    Args:
        name: The name of a file or a class, or a text of a server. A file's
            name may hold bytes that are not UTF-8, as Python's surrogates.

    Returns:
        The name with control characters as `\x1b`, and bytes that are not
        UTF-8 as "�".
    """
    text = name.encode(errors="surrogateescape").decode(errors="replace")
    return text.translate(_OF_NAMES)


def has_controls(text: str) -> bool:
    """Returns whether a text has characters that `for_console` escapes."""
    return text.translate(_OF_NAMES) != text


def for_stream(text: str) -> str:
    """Escapes the control characters of output, except tabs and line ends."""
    return text.translate(_OF_OUTPUT)


def for_csv(cell: str) -> str:
    """Escapes a text that a spreadsheet would run as a formula.

    It puts a quote before such a text, and before one that begins with such a
    quote itself, so that `from_csv` returns every text as it was.
    """
    return _QUOTE + cell if cell.startswith((*_FORMULA, _QUOTE)) else cell


def from_csv(cell: str) -> str:
    """Undoes `for_csv`; other texts stay as they are."""
    quoted = cell.startswith(_QUOTE) and for_csv(cell[1:]) == cell
    return cell[1:] if quoted else cell
