"""Reads and writes flagfiles, and finds the project's own.

absl looks for a flagfile only from the working directory, where an installed
package has no configs. So `expand` replaces every `--flagfile=` by the flags of
its file, before absl reads the rest:

    --flagfile=mine.flags               from the working directory
    --flagfile=cifar100.flags           else one of the project's own configs
    --flagfile=configs/cifar100.flags   the same

A run directory keeps its flags as a flagfile too. A user may move its lines and
add some; where a flag occurs twice, the last one counts. `check_whole` notices
a file that was cut off.
"""

from __future__ import annotations

import difflib
import os
import pathlib
import re
from collections.abc import Sequence

from absl import flags

from and_tf.utils.errors import InputError

_END = re.compile(r"# end of ([0-9]+) flags")
_COMMENTS = ("#", "//")  # As in absl.


def text_of(flags: Sequence[str]) -> str:
    """Returns the text of a flagfile, whose last line marks its end.

    Args:
        flags: The flags, each `--name=value` without line ends.
    """
    return "\n".join([*flags, f"# end of {len(flags)} flags", ""])


def read(path: pathlib.Path) -> list[str]:
    """Reads a flagfile's lines, without comments.

    Names of files in it need not be UTF-8, and the locale does not matter.

    Raises:
        InputError: If the flagfile cannot be read.
    """
    return [
        line for line in _lines(path) if line and not line.startswith(_COMMENTS)
    ]


def check_whole(path: pathlib.Path, last: str) -> None:
    """Refuses the flagfile of a run if it has lost lines.

    Defaults would silently replace the lost flags.

    Args:
        path: The flagfile.
        last: The name of the last flag in flagfiles from older versions, which
            did not mark their end.

    Raises:
        InputError: If the flagfile is empty or cut off.
    """
    lines = _lines(path)
    names = {line.partition("=")[0] for line in lines if line[:2] == "--"}
    ends = [end for line in lines if (end := _END.fullmatch(line))]
    if ends:
        whole = len(names) >= int(ends[0][1])
    else:
        whole = f"--{last}" in names and not lines[-1]  # The last line ends.
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


_PACKAGE = pathlib.Path(__file__).resolve().parents[1]
_CONFIGS = "configs"
_DIRECTIVE = re.compile(r"--?flagfile(?:=(.*))?", re.DOTALL)


def project_configs() -> pathlib.Path:
    """Returns the directory of the configs that come with the project.

    A wheel has them inside the package; a checkout and an editable installation
    have them beside it.
    """
    inside = _PACKAGE / _CONFIGS
    return inside if inside.is_dir() else _PACKAGE.parent / _CONFIGS


def expand(
    arguments: Sequence[str], within: tuple[pathlib.Path, ...] = ()
) -> list[str]:
    """Replaces each flagfile among the arguments by the flags in it.

    The flags are inserted at the place of its name. If a flag occurs twice, the
    last one counts, as in absl. A flagfile may name others in turn.

    Args:
        arguments: The arguments of a command line without the program's name,
            or the lines of a flagfile.
        within: The flagfiles that these lines come from, outermost first.

    Returns:
        The arguments without flagfiles. Those after `--` are left as they are.

    Raises:
        InputError: If a flagfile is not found, cannot be read, or names
            itself, directly or through others.
        flags.IllegalFlagValueError: If the last argument is a `--flagfile`
            without a name.
    """
    expanded: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        directive = _DIRECTIVE.fullmatch(argument)
        if argument == "--":
            return [*expanded, argument, *rest]
        if directive is None:
            expanded.append(argument)
            continue
        name = next(rest, None) if directive[1] is None else directive[1]
        if name is None:
            raise flags.IllegalFlagValueError("--flagfile with no argument")
        if name.strip():  # absl ignores an empty name, too.
            expanded += _flags_in(find(name.strip()), within)
    return expanded


def find(name: str) -> pathlib.Path:
    """Finds a flagfile by its name.

    Args:
        name: A path, absolute or from the working directory; or the name of a
            config of the project, with or without `configs/` before it.

    Raises:
        InputError: If it is not there; the message names the places.
    """
    given = pathlib.Path(os.path.expanduser(name))
    if os.path.lexists(given):
        return given
    places = [given.absolute()]
    if given.parent in (pathlib.Path(), pathlib.Path(_CONFIGS)):
        places.append(project_configs() / given.name)
        if places[-1].is_file():
            return places[-1]
    remedy = "Give its path, or the name of one of the project's configs"
    known = sorted(path.name for path in project_configs().glob("*.flags"))
    close = difflib.get_close_matches(given.name, known, n=1)
    example = f", such as {close[0]}" if close else ""
    raise InputError(
        f"Expected a flagfile. Received: {name}, which is not there: looked "
        f"for {' and '.join(map(str, places))}. {remedy}{example}."
    )


def _flags_in(
    path: pathlib.Path, within: tuple[pathlib.Path, ...]
) -> list[str]:
    real = path.resolve()
    if real in within:
        raise InputError(
            f"Expected flagfiles that do not name each other in a circle. "
            f"Received: {' > '.join(str(p) for p in (*within, real))}. Take "
            "one of these --flagfile= out."
        )
    return expand(read(path), (*within, real))
