"""What a page is put together from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from and_tf.reporting.markup import Html


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        name: Its anchor, a word of letters.
        title: Its heading.
        content: What stands below.
    """

    name: str
    title: str
    content: Html


# Takes what is known of a run, whatever kind of run it is, and gives its part
# of the page; None where the page is better without it.
Provider = Callable[[Any], Section | None]
