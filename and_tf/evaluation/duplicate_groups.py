"""Makes groups of duplicates out of pairs, without chains.

Pairs of duplicates do not add up to groups by themselves. A may look like B
and B like C while A and C are different images; connected components would
put a whole burst of photographs into one group in this way, and drop all but
one. Hence the rule here:

- A group has a centre: one member that is paired with every other member.
- No group has two members that are to stay apart.
- The strongest pairs come first. The groups of both rows of a pair become one
  if the result keeps the two rules above. Pairs are gone through again until
  no two groups can become one.

So {A, B, C} with the pairs AB and BC is a group around B. In the chain A, B,
C, D the strongest pair finds its group first, and D may stay outside of it.

Copies that are equal to the last bit should all be paired with each other,
or be one row: whoever pairs each with its k nearest alone gives no centre to
a group of more than k + 1.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict

import numpy as np

NONE = -1  # The group of a row without duplicates.


@dataclasses.dataclass
class _Group:
    """A group that may still grow.

    Attributes:
        number: A number that no other group has or had.
        members: The rows in the group.
        centres: The members that are paired with all other members.
    """

    number: int
    members: set[int]
    centres: set[int]


def group(
    pairs: np.ndarray,
    apart: np.ndarray | None,
    count: int,
    strength: np.ndarray | None = None,
) -> np.ndarray:
    """Groups rows that are duplicates of each other.

    The result depends neither on the order of the pairs nor on the order of
    the rows within a pair. It needs about 700 bytes of memory for each pair.

    Args:
        pairs: int64 [P, 2], pairs of rows that are duplicates. A row may be
            in any number of pairs; pairs of a row with itself are left out.
        apart: int64 [A, 2], pairs of rows that must not be in one group, also
            if they are among `pairs`. None means that there are none.
        count: The number of rows N.
        strength: float [P], how sure each pair is, the surest highest. A pair
            that is given twice has its highest. None takes all as equal.
            Equal pairs go by the numbers of their rows.

    Returns:
        int64 [N], the group of each row; −1 for a row without a group. Groups
        have at least two members, and are numbered 0, 1, … by their lowest
        rows.
    """
    ranked = _strongest_first(pairs, strength)
    groups = _merged(ranked, _by_row(ranked), _by_row(apart))
    result = np.full(count, NONE, np.int64)
    numbers: dict[int, int] = {}
    for row, found in sorted(groups.items()):
        if len(found.members) > 1:
            result[row] = numbers.setdefault(found.number, len(numbers))
    return result


def _strongest_first(
    pairs: np.ndarray, strength: np.ndarray | None
) -> np.ndarray:
    """Returns each pair once, the lower row first, int64 [p, 2]."""
    pairs = np.sort(np.asarray(pairs, np.int64).reshape(-1, 2), axis=1)
    if strength is None:
        strength = np.zeros(len(pairs))
    real = pairs[:, 0] != pairs[:, 1]
    pairs, strength = pairs[real], np.asarray(strength)[real]
    order = np.lexsort([pairs[:, 1], pairs[:, 0], -strength])
    _, first = np.unique(pairs[order], axis=0, return_index=True)
    return pairs[order][np.sort(first)]


def _by_row(pairs: np.ndarray | None) -> dict[int, set[int]]:
    """Collects the rows that each row is paired with."""
    others: dict[int, set[int]] = defaultdict(set)
    for one, two in [] if pairs is None else np.asarray(pairs).tolist():
        others[one].add(two)
        others[two].add(one)
    return dict(others)


def _merged(
    ranked: np.ndarray,
    partners: dict[int, set[int]],
    strangers: dict[int, set[int]],
) -> dict[int, _Group]:
    """Merges groups along pairs until no two can become one.

    Args:
        ranked: int64 [p, 2], the pairs, strongest first.
        partners: The rows that each row is paired with.
        strangers: The rows that each row has to stay apart from.

    Returns:
        The group of each row that is in a pair.
    """
    groups = {row: _Group(row, {row}, {row}) for row in partners}
    latest = max(groups, default=0)
    refused: set[tuple[int, int]] = set()  # Numbers of groups.
    before = -1
    while before != latest:
        before = latest
        for row, other in ranked.tolist():
            one, two = groups[row], groups[other]
            numbers = (one.number, two.number)
            if one is two or numbers in refused:
                continue
            if len(one.members) < len(two.members):
                one, two = two, one
            if not _merge(latest + 1, one, two, partners, strangers):
                refused.add(numbers)
                continue
            latest = one.number
            groups.update(dict.fromkeys(two.members, one))
    return groups


def _merge(
    number: int,
    larger: _Group,
    smaller: _Group,
    partners: dict[int, set[int]],
    strangers: dict[int, set[int]],
) -> bool:
    """Adds the smaller of two groups to the larger, unless it breaks a rule.

    A row changes to a group twice as large at least, so that a group of n rows
    takes n · log n steps.

    Returns:
        Whether they are one group now, with a new number.
    """
    if any(
        not larger.members.isdisjoint(strangers[row])
        for row in smaller.members
        if row in strangers
    ):
        return False
    centres = {r for r in larger.centres if partners[r] >= smaller.members}
    centres |= {r for r in smaller.centres if partners[r] >= larger.members}
    if not centres:
        return False
    larger.number = number
    larger.members |= smaller.members
    larger.centres = centres
    return True
