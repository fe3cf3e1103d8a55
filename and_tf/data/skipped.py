"""Names what was left out of a data set, with the reason."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from typing import NamedTuple

UNREADABLE = "that cannot be read"
_SHOWN = 3  # Names in a line.


class Skipped(NamedTuple):
    """One thing that was left out.

    Attributes:
        name: A file's or a folder's path; printable, see `names.utf8`.
        reason: A relative clause that completes "left out 3 …", such as
            "that cannot be read".
    """

    name: str
    reason: str


def summaries(skipped: Iterable[Skipped]) -> Iterator[str]:
    """Yields one text a reason: "3 that cannot be read: a.png, b.png, …".

    Args:
        skipped: What was left out. The reasons follow in the order in which
            they first occur.
    """
    names = collections.defaultdict(list)
    for name, reason in skipped:
        names[reason].append(name)
    for reason, those in names.items():
        more = ", …" if len(those) > _SHOWN else ""
        yield f"{len(those):,} {reason}: {', '.join(those[:_SHOWN])}{more}"
