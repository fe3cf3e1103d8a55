"""The flagfile that a run directory keeps, and whether it is whole.

Whoever edits it may move lines and add some: of two of a flag, the last counts.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Sequence

from and_tf.errors import InputError

_END = re.compile(r"# end of ([0-9]+) flags")
_COMMENTS = ("#", "//")  # As absl has it.


def text_of(flags: Sequence[str]) -> str:
    """Makes a flagfile whose last line shows that it is whole.

    Args:
        flags: Each `--name=value`, without line ends.
    """
    return "\n".join([*flags, f"# end of {len(flags)} flags", ""])


def read(path: pathlib.Path) -> list[str]:
    """Reads a flagfile's lines, without comments.

    Its names of files need not be UTF-8, and the locale does not matter.

    Raises:
        InputError: If it cannot be read.
    """
    return [
        line for line in _lines(path) if line and not line.startswith(_COMMENTS)
    ]


def check_whole(path: pathlib.Path, last: str) -> None:
    """Refuses the flagfile of a run that has lost lines.

    Defaults would silently stand in their place.

    Args:
        path: The flagfile.
        last: The flag that ended such files before they said their end.

    Raises:
        InputError: If it is empty or cut.
    """
    lines = _lines(path)
    names = {line.partition("=")[0] for line in lines if line[:2] == "--"}
    ends = [end for line in lines if (end := _END.fullmatch(line))]
    if ends:
        whole = len(names) >= int(ends[0][1])
    else:
        whole = f"--{last}" in names and not lines[-1]  # Ended by a line end.
    if not whole:
        raise InputError(
            f"The flagfile {path} has lost some of its lines; {len(lines)} are "
            "left. Write it again from the command that the run was started "
            f"with: one flag on each line, --{last}= among them."
        )


def _lines(path: pathlib.Path) -> list[str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"Expected a flagfile that can be read. Received: {path}: "
            f"{error.strerror}."
        ) from error
    text = content.decode(errors="surrogateescape")
    return [line.strip() for line in text.replace("\r", "\n").split("\n")]
