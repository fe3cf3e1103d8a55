"""Mains that run within a test's own process, as `python -m …` starts them.

A process costs five seconds, most of them TensorFlow's import.
"""

from __future__ import annotations

import contextlib
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence

import pytest
from absl import app, flags

_PACKAGES = ("and_tf.", "export.", "benchmarks.", "tests.")


def run(module: str, arguments: Sequence[str]) -> None:
    """Runs a main to its end.

    Args:
        module: Its full name.
        arguments: Its flags.

    Raises:
        SystemExit: If it ends with another code than 0.
    """
    with _own_flags(module, arguments):
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            if end.code:
                raise


def parse(module: str, arguments: Sequence[str]) -> None:
    """Reads a main's flags as it does itself, and does nothing more.

    Args:
        module: Its full name.
        arguments: Its flags.

    Raises:
        SystemExit: If it refuses them.
        absl.flags.Error: The same, of a main without our own sentences.
    """
    read = []

    def parse_alone(main, argv=None, flags_parser=flags.FLAGS) -> None:
        read.append(flags_parser(sys.argv))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "run", parse_alone)
        run(module, arguments)
    assert read and len(read[0]) == 1, f"{module} has left {read} unread"


@contextlib.contextmanager
def _own_flags(module: str, arguments: Sequence[str]) -> Iterator[None]:
    """Gives a main its arguments, and flags beside those of other mains.

    absl has one table of flags, in which each has one place. Those of mains
    that other tests have imported are put aside; those of this main, which
    have its file for a place, are gone afterwards.
    """
    from and_tf.utils import cli  # Whose --debug every main has.

    imported = _flags(lambda place: place.startswith(_PACKAGES))
    others = [(p, f) for p, f in imported if f.name != cli._DEBUG.name]
    for _, flag in others:
        delattr(flags.FLAGS, flag.name)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", [module, *arguments])
            yield
    finally:
        for _, flag in list(_flags(lambda place: place.endswith(".py"))):
            delattr(flags.FLAGS, flag.name)
        for place, flag in others:
            flags.FLAGS[flag.name] = flag
            flags.FLAGS.register_flag_by_module(place, flag)


def _flags(of: Callable[[str], bool]) -> Iterator[tuple[str, flags.Flag]]:
    """The flags that are defined in some places, with their place."""
    for place, found in flags.FLAGS.flags_by_module_dict().items():
        if of(place):
            yield from ((place, flag) for flag in found)
