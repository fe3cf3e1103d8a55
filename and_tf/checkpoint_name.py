"""What `--checkpoint` may say: which of a run's checkpoints is meant."""

from __future__ import annotations

import re

from and_tf.errors import InputError

LAST, BEST = "last", "best"


def round_of(name: str) -> int | None:
    """The round whose end is meant, None for the last or the best checkpoint.

    Args:
        name: "last", "best" or "round_<r>", where round 0 is instance
            learning.

    Raises:
        InputError: If it is none of these.
    """
    found = re.fullmatch(r"round_([0-9]{1,9})", name)
    if found is None and name not in (LAST, BEST):
        raise InputError(
            "Expected --checkpoint of last, best or round_<r>, such as "
            f"round_1; round_0 is instance learning. Received: {name!r}."
        )
    return int(found[1]) if found else None
