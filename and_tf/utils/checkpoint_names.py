"""Makes and reads the names of checkpoints, for files and --checkpoint."""

from __future__ import annotations

import re

from and_tf.utils.errors import InputError

LAST, BEST = "last", "best"


def round_of(name: str) -> int | None:
    """Returns the round at whose end a named checkpoint was written.

    Args:
        name: "last", "best" or "round_<r>", where round 0 is instance
            learning.

    Returns:
        The number r of the round; None for "last" and "best".

    Raises:
        InputError: If it is another name.
    """
    found = re.fullmatch(r"round_([0-9]{1,9})", name)
    if found is None and name not in (LAST, BEST):
        raise InputError(
            "Expected --checkpoint to be last, best or round_<r>, such as "
            f"round_1; round_0 is instance learning. Received: {name!r}."
        )
    return int(found[1]) if found else None


def file_name(epochs: int, step: int = 0) -> str:
    """Returns the name of a checkpoint's file; later ones sort last.

    Args:
        epochs: The number of finished epochs.
        step: The number of steps done in the epoch after these.
    """
    within = f"_step_{step:08d}" if step else ""
    return f"epoch_{epochs:05d}{within}.npz"


def is_file(name: str) -> bool:
    """Returns whether a file has the name of a checkpoint."""
    pattern = r"epoch_[0-9]{5}(_step_[0-9]{8})?\.npz"
    return re.fullmatch(pattern, name) is not None


def moment(epochs: int, step: int = 0) -> str:
    """Describes a run's progress: "1 epoch", "5 epochs and step 7".

    An encoder as it began is described as "no training".
    """
    if not epochs and not step:
        return "no training"
    within = f" and step {step:,}" if step else ""
    return f"{epochs:,} epoch{'' if epochs == 1 else 's'}{within}"
