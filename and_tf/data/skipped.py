"""Names the files that were left out of a data set, with the reasons."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from typing import NamedTuple

UNREADABLE = "that cannot be read"
_SHOWN = 3  # The number of names in a line.


class Skipped(NamedTuple):
    """A file or folder that was left out of a data set.

    Attributes:
        name: The path of the file or folder, printable, see `walking.utf8`.
        reason: A relative clause that completes "left out 3 …", such as
            "that cannot be read".
    """

    name: str
    reason: str


def summaries(skipped: Iterable[Skipped]) -> Iterator[str]:
    """Yields a text per reason: "3 that cannot be read: a.png, b.png, …".

    Args:
        skipped: The files and folders that were left out. Reasons keep the
            order in which they first occur.
    """
    names = collections.defaultdict(list)
    for name, reason in skipped:
        names[reason].append(name)
    for reason, those in names.items():
        more = ", …" if len(those) > _SHOWN else ""
        yield f"{len(those):,} {reason}: {', '.join(those[:_SHOWN])}{more}"
