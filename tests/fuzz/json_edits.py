"""Edits valid JSON: other values, lost and added keys, and broken text."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.mutations import Change, changes

_MOST_EDITS = 3
_HUGE = (10**12, 2**63, 10**400, -1, -(2**63), 1e308, float("nan"), 1e-320)
_TEXTS = ("", " ", "a\nb", "\x1b[2J", "\ud800", "x" * 5000, "1", "é", "<b>")

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 100),
        st.sampled_from(_HUGE),
        st.floats(),
        st.sampled_from(_TEXTS),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(("a", "b", "1")), inner, max_size=3),
    ),
    max_leaves=5,
)


@dataclasses.dataclass(frozen=True)
class Edit:
    """One edit of a JSON value.

    Attributes:
        kind: "replace", "remove" or "add".
        place: The number of a value inside, modulo the count of values.
        value: The new value.
    """

    kind: str
    place: int
    value: Any

    def apply(self, whole: list[Any]) -> None:
        """Edits, in place, the value in a list of one element."""
        places = list(_places(whole))
        holder, key = places[self.place % len(places)]
        value = copy.deepcopy(self.value)  # Later edits may change it.
        if self.kind == "replace" or holder is whole:
            holder[key] = value
        elif self.kind == "remove":
            del holder[key]
        elif isinstance(holder, dict):
            holder["added"] = value
        else:
            holder.insert(key, value)


@dataclasses.dataclass(frozen=True)
class Edited:
    """A valid JSON value with its edits.

    Attributes:
        name: The name of the valid value.
        edits: The edits of the value.
        changes: The changes of its text.
    """

    name: str
    edits: tuple[Edit, ...]
    changes: tuple[Change, ...]

    def content(self, values: Mapping[str, Any]) -> bytes:
        """Returns the edited text of the valid value in `values`."""
        whole = [copy.deepcopy(values[self.name])]
        for edit in self.edits:
            edit.apply(whole)
        content = json.dumps(whole[0]).encode()
        for change in self.changes:
            content = change.apply(content)
        return content


def edited(values: Mapping[str, Any]) -> st.SearchStrategy[Edited]:
    """Draws edited JSON.

    Args:
        values: The valid values by their names.
    """
    edit = st.builds(
        Edit,
        st.sampled_from(("replace", "remove", "add")),
        st.integers(0, 200),
        VALUES,
    )
    edits = st.lists(edit, max_size=_MOST_EDITS).map(tuple)
    longest = max(len(json.dumps(value)) for value in values.values())
    name = st.sampled_from(sorted(values))
    whole, few = st.just(()), changes(longest)
    return st.one_of(
        st.builds(Edited, name, edits, whole),
        st.builds(Edited, name, whole, few),
    )


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yields each value inside, as its container and its key in that."""
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    else:
        return
    for key in keys:
        yield value, key
        yield from _places(value[key])
