"""The sentence for an error that nothing in the project foresaw."""

from __future__ import annotations

import os
import re
import sys

PACKAGES = ("and_tf", "export", "benchmarks")
_LONGEST = 400  # Characters of an error's own words that are shown.
_MEMORY = ("MemoryError", "ResourceExhaustedError", "_ArrayMemoryError")


def sentence(error: BaseException) -> str:
    """Says where a command ended, and why, in the error's own words.

    Args:
        error: One that is no `InputError`, such as an OSError of a disk, or
            one of TensorFlow's, whose many lines are cut to the first.

    Returns:
        What was expected, what was received, and what to do.
    """
    remedy = ""
    if type(error).__name__ in _MEMORY:
        remedy = "Take smaller batches or fewer images at a time. "
    return (
        f"Expected {_program()} to come to its end. Received in "
        f"{_place(error)}: {_words(error)}. {remedy}Run it again with --debug "
        "for the whole trace."
    )


def _program() -> str:
    """Returns what was started, as a user types it."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is None:
        return os.path.basename(sys.argv[0]) or "the command"
    return f"python -m {spec.name.removesuffix('.__main__')}"


def _place(error: BaseException) -> str:
    """The innermost function of this project that was at work."""
    place, step = "the command", error.__traceback__
    while step is not None:
        module = step.tb_frame.f_globals.get("__name__", "")
        if module == "__main__" and step.tb_frame.f_globals.get("__spec__"):
            module = step.tb_frame.f_globals["__spec__"].name
        if (
            module.partition(".")[0] in PACKAGES
            and module != "and_tf.utils.cli"
        ):
            place = f"{module}.{step.tb_frame.f_code.co_qualname}"
        step = step.tb_next
    return place


def _words(error: BaseException) -> str:
    """The error's kind and the first line of what it says."""
    if isinstance(error, OSError) and error.strerror:
        names = [os.fsdecode(n) for n in (error.filename,) if n is not None]
        text = ": ".join([error.strerror, *map(_shortened, names)])
    else:
        # TensorFlow puts the name of a graph's node before what it says.
        text = re.sub(r"\{\{[^}]*\}\}", "", str(error)).strip()
        text = _shortened(text.partition("\n")[0].strip())
    return ": ".join(filter(None, (type(error).__name__, text.rstrip("."))))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
