"""Damages the bytes of valid files, so that the damage can be made smaller.

Each change is a value of its own, and an input is a list of changes. Thus the
search can leave changes out and make their numbers smaller, until a finding
needs all that is left.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from hypothesis import strategies as st

KINDS = ("flip", "set", "cut", "drop", "insert", "repeat", "number")
_MOST_CHANGES = 6
_LONGEST = 64  # The largest number of bytes that a change touches.
# Sizes and offsets that readers are likely to handle wrongly.
_NUMBERS = (
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x00\x00\x00\x80",
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
)


@dataclasses.dataclass(frozen=True)
class Change:
    """One change of a file's bytes.

    Attributes:
        kind: One of `KINDS`.
        place: The position in bytes, modulo the length of the file + 1.
        length: The number of bytes that it touches.
        value: A byte, whose meaning depends on the kind.
    """

    kind: str
    place: int
    length: int
    value: int

    def apply(self, content: bytes) -> bytes:
        """Returns the content with this change."""
        place = self.place % (len(content) + 1)
        head, tail = content[:place], content[place:]
        rest = tail[self.length :]
        if self.kind == "cut":
            return head
        if self.kind == "drop":
            return head + rest
        if self.kind == "insert":
            return head + bytes([self.value]) * self.length + tail
        if self.kind == "repeat":
            return head + tail[: self.length] * 2 + rest
        if self.kind == "number":
            number = _NUMBERS[self.value % len(_NUMBERS)]
            return head + number + tail[len(number) :]
        if self.kind == "set":
            return head + bytes([self.value]) * len(tail[: self.length]) + rest
        flipped = bytes(byte ^ (1 << self.value % 8) for byte in tail[:1])
        return head + flipped + tail[1:]


@dataclasses.dataclass(frozen=True)
class Damaged:
    """A valid file with its changes.

    Attributes:
        name: The name of the valid file.
        changes: The changes in order; without any, the file stays valid.
    """

    name: str
    changes: tuple[Change, ...]

    def content(self, files: Mapping[str, bytes]) -> bytes:
        """Returns the changed bytes of the valid file in `files`."""
        content = files[self.name]
        for change in self.changes:
            content = change.apply(content)
        return content


def changes(longest: int) -> st.SearchStrategy[tuple[Change, ...]]:
    """Draws changes, and sometimes none.

    Args:
        longest: The length of the longest file to change, in bytes.
    """
    # Headers are at the beginning, and those of archives at the end.
    places = st.one_of(
        st.integers(0, 200),
        st.integers(0, longest),
        st.integers(max(0, longest - 400), longest),
    )
    change = st.builds(
        Change,
        st.sampled_from(KINDS),
        places,
        st.integers(1, _LONGEST),
        st.integers(0, 255),
    )
    return st.lists(change, max_size=_MOST_CHANGES).map(tuple)


def damaged(files: Mapping[str, bytes]) -> st.SearchStrategy[Damaged]:
    """Draws damaged files, and sometimes a valid one.

    Args:
        files: The valid files by their names.
    """
    longest = max(map(len, files.values()))
    return st.builds(Damaged, st.sampled_from(sorted(files)), changes(longest))
