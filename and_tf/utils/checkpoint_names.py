"""Names of checkpoints: of their files, and what `--checkpoint` may say."""

from __future__ import annotations

import re

from and_tf.utils.errors import InputError

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


def file_name(epochs: int, step: int = 0) -> str:
    """A checkpoint's, which sorts by how far the run was.

    Args:
        epochs: How many are finished.
        step: Steps done in the epoch after.
    """
    within = f"_step_{step:08d}" if step else ""
    return f"epoch_{epochs:05d}{within}.npz"


def is_file(name: str) -> bool:
    """Whether a file's name is a checkpoint's, not that of a copy, say."""
    pattern = r"epoch_[0-9]{5}(_step_[0-9]{8})?\.npz"
    return re.fullmatch(pattern, name) is not None


def moment(epochs: int, step: int = 0) -> str:
    """How far a run was, for people: "1 epoch", "5 epochs and step 7"."""
    within = f" and step {step:,}" if step else ""
    return f"{epochs:,} epoch{'' if epochs == 1 else 's'}{within}"
