"""Define the flags that programs which measure have in common."""

from __future__ import annotations

import os

from absl import flags

# So absl attributes a flag to the main that asks for it.
flags.disclaim_key_flags()


def measure(does: str = "Measure", page: str = "page") -> flags.FlagHolder:
    """Define --measure, without which pages are written anew and no more.

    Args:
        does: What the program does with it, such as "Measure or train".
        page: What it writes, "page" or "pages".
    """
    return flags.DEFINE_bool(
        "measure",
        True,
        f"{does}, and then write the {page}. --nomeasure writes the {page} "
        "from the figures of earlier measurements.",
    )


def threads(whose: str) -> flags.FlagHolder:
    """Define --threads, by default as many as there are cores.

    Args:
        whose: What the threads belong to, such as "each side".
    """
    return flags.DEFINE_integer(
        "threads",
        os.cpu_count(),
        f"Number of threads that {whose} may use.",
        lower_bound=1,
    )
