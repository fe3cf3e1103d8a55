"""Makes the sentence for an error that the project did not expect."""

from __future__ import annotations

import os
import re
import sys

PACKAGES = ("and_tf", "export", "benchmarks")
_LONGEST = 400  # Characters of an error's own words that are shown.
_MEMORY = ("MemoryError", "ResourceExhaustedError", "_ArrayMemoryError")


def sentence(error: BaseException) -> str:
    """Describes where and why a command failed, in the error's own words.

    Args:
        error: An error that is not an `InputError`, such as an OSError of a
            disk, or one of TensorFlow's, whose many lines are cut to the first.

    Returns:
        A text that says what failed, where and why, and what to do.
    """
    remedy = ""
    if type(error).__name__ in _MEMORY:
        remedy = "Take smaller batches, or fewer images at a time. "
    return (
        f"{_program()} failed in {_place(error)}: {_words(error)}. {remedy}Run "
        "it again with --debug for the whole trace."
    )


def _program() -> str:
    """Returns the command that was started, as a user types it."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is None:
        return os.path.basename(sys.argv[0]) or "the command"
    return f"python -m {spec.name.removesuffix('.__main__')}"


def _place(error: BaseException) -> str:
    """Returns this project's innermost function in the error's trace."""
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
    """Returns the type of an error and the first line of its message."""
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
