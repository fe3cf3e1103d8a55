"""Makes the sentences for errors that the project did not expect."""

from __future__ import annotations

import os
import re
import sys
import textwrap

PACKAGES = ("and_tf", "export", "benchmarks")
_LONGEST = 400  # Characters of an error's own words that are shown.
_MEMORY = ("MemoryError", "ResourceExhaustedError", "_ArrayMemoryError")
_KINDS = (
    "DataLossError",
    "FailedPreconditionError",
    "InvalidArgumentError",
    "NotFoundError",
    "OutOfRangeError",
)
# The place of an error in a graph, which tells a user nothing.
_PLACES = re.compile(
    r"\{\{.*?\}\}|\[\[.*?\]\]|\[Op:\w+\]|name:\s*$"
    r"|Error in user-defined function .*? with iterator: [\w:]+: "
    r"|^(Graph execution error|Detected at node | +File ).*$",
    re.MULTILINE,
)
_ITERATORS = "IteratorGetNext", "ReduceDataset"
_LONGEST_BRIEF = 200  # Characters.


def sentence(error: BaseException) -> str:
    """Describes an error that is not an `InputError`, and what to do.

    Args:
        error: The error, such as an OSError of a disk, or one of TensorFlow's,
            whose many lines are cut to the first.
    """
    return _unreadable(error) or _damaged(error) or _failed(error)


def _unreadable(error: BaseException) -> str | None:
    """Returns the sentence for an image that became unreadable in a run.

    Such an error is raised inside TensorFlow's graph, by the assertion of
    `data.split.Stream`, and arrives wrapped in TensorFlow's own message.

    Returns:
        The sentence; None if the error is another one.
    """
    found = re.search(r"\[(Expected an image [^]]*)\] \[([^]]*)\]", str(error))
    if found is None:
        return None
    return (
        f"{found[1]} {found[2]}. It could be read when the run began: put it "
        "back, then continue with --resume."
    )


def _damaged(error: BaseException) -> str | None:
    """Describes the damage of a data set that a run is reading.

    Args:
        error: An error of any kind.

    Returns:
        The sentence; None if the error is not one of TensorFlow's from the
        iterator of a data set.
    """
    if type(error).__name__ not in _KINDS:
        return None
    if not any(name in str(error) for name in _ITERATORS):
        return None
    return (
        f"The files of the data set are damaged: {brief(error)}. Prepare the "
        "data set again, then continue with --resume."
    )


def brief(error: BaseException) -> str:
    """Shortens an error's message to one line about the data."""
    if isinstance(error, UnicodeDecodeError):  # In its message.
        return "a record that is no example of TensorFlow's"
    text = getattr(error, "message", None) or str(error)
    text = _PLACES.sub("", text).strip()
    line = text.splitlines()[0] if text else type(error).__name__
    return textwrap.shorten(line, _LONGEST_BRIEF, placeholder=" …").rstrip(". ")


def _failed(error: BaseException) -> str:
    """Describes where and why a command failed, in the error's own words."""
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
