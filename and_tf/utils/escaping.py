"""Text from outside, made safe for what it is written to.

Names of files and classes and the words of servers may hold anything. A
terminal obeys escape sequences in them, and a spreadsheet runs a cell that
looks like a formula.
"""

from __future__ import annotations

import unicodedata

# What ends a line or moves the cursor back is the project's own as well, so
# that a stream lets it pass; in a name it is escaped.
_LINE_CONTROLS = "\t\n\r"
# Change the order in which the characters after them are shown.
_BIDIRECTIONAL = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_SEPARATORS = "\u2028\u2029"  # End a line, for some terminals and editors.
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
_QUOTE = "'"  # Which spreadsheets take for "this is text".


def for_console(name: str) -> str:
    r"""Makes a name that is part of a line visible, whatever is in it.

    Args:
        name: A file's, a class's or a server's text. A file's name may hold
            bytes that are no UTF-8, as Python's surrogates.

    Returns:
        The name with control characters as `\x1b`, and bytes that are no
        UTF-8 as "�".
    """
    text = name.encode(errors="surrogateescape").decode(errors="replace")
    return text.translate(_OF_NAMES)


def has_controls(text: str) -> bool:
    """Returns whether a text has characters that `for_console` escapes."""
    return text.translate(_OF_NAMES) != text


def for_stream(text: str) -> str:
    """Makes the control characters of any output visible but line ends."""
    return text.translate(_OF_OUTPUT)


def for_csv(cell: str) -> str:
    """Escapes a text that a spreadsheet would run as a formula.

    A quote is put before it, and before texts that begin with such a quote
    themselves, so that `from_csv` gives every text back as it was.
    """
    return _QUOTE + cell if cell.startswith((*_FORMULA, _QUOTE)) else cell


def from_csv(cell: str) -> str:
    """Reads what `for_csv` wrote; other texts stay as they are."""
    quoted = cell.startswith(_QUOTE) and for_csv(cell[1:]) == cell
    return cell[1:] if quoted else cell
