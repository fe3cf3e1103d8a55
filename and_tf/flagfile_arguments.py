"""Flagfiles on a command line: where they are found, and what they say.

absl looks for a flagfile from the working directory alone, where an installed
package has no configs. So every `--flagfile=` is replaced here by the flags of
its file, before absl reads the rest:

    --flagfile=mine.flags               from the working directory
    --flagfile=cifar100.flags           else one of the project's own configs
    --flagfile=configs/cifar100.flags   the same
"""

from __future__ import annotations

import difflib
import os
import pathlib
import re
from collections.abc import Sequence

from absl import flags

from and_tf import flagfile
from and_tf.errors import InputError

_PACKAGE = pathlib.Path(__file__).resolve().parent
_CONFIGS = "configs"
_DIRECTIVE = re.compile(r"--?flagfile(?:=(.*))?", re.DOTALL)


def project_configs() -> pathlib.Path:
    """Returns the directory of the configs that come with the project.

    A wheel has them inside the package. A checkout has them beside it, and so
    has an editable installation.
    """
    inside = _PACKAGE / _CONFIGS
    return inside if inside.is_dir() else _PACKAGE.parent / _CONFIGS


def expand(
    arguments: Sequence[str], within: tuple[pathlib.Path, ...] = ()
) -> list[str]:
    """Replaces each flagfile among the arguments by the flags in it.

    They stand where its name stood, so that of two of a flag the last counts,
    as absl has it. A flagfile may name others in turn.

    Args:
        arguments: Of a command line without the program's name, or the lines
            of a flagfile.
        within: The flagfiles that these are the lines of, outermost first.

    Returns:
        Arguments without flagfiles. What follows `--` is left as it is.

    Raises:
        InputError: If a flagfile is not found, cannot be read, or names
            itself.
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
        if name.strip():  # absl passes over an empty one, too.
            expanded += _flags_in(find(name.strip()), within)
    return expanded


def find(name: str) -> pathlib.Path:
    """Finds a flagfile by the name that was given.

    Args:
        name: A path, absolute or from the working directory; or the name of a
            config of the project, with or without `configs/` before it.

    Raises:
        InputError: If it is in none of these places; the sentence names them.
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
    return expand(flagfile.read(path), (*within, real))
