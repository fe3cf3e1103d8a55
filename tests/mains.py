"""Runs mains in the process of a test, as `python -m …` would start them.

A new process would take five seconds, most of them to import TensorFlow.
"""

from __future__ import annotations

import contextlib
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pytest
from absl import app, flags

_PACKAGES = ("and_tf.", "export.", "benchmarks.", "tests.")


class Printed(NamedTuple):
    """What a main prints to standard output and standard error."""

    out: str
    err: str


def run(module: str, arguments: Sequence[str]) -> None:
    """Runs a main to its end.

    Args:
        module: The full name of the main's module.
        arguments: The flags of the main.

    Raises:
        SystemExit: If the main ends with an exit code other than 0.
    """
    with _own_flags(module, arguments):
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            if end.code:
                raise


def refusal(
    module: str, arguments: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> Printed:
    """Runs a main to an end with exit code 1 and without a stack trace.

    Args:
        module: The full name of the main's module.
        arguments: The flags of the main.
        capsys: Captures what the main prints.

    Returns:
        The text that it prints.
    """
    with pytest.raises(SystemExit) as end:
        run(module, arguments)
    assert end.value.code == 1
    printed = Printed(*capsys.readouterr())
    assert "Traceback" not in printed.err
    return printed


def parse(module: str, arguments: Sequence[str]) -> None:
    """Parses a main's flags as the main itself does, without running it.

    Args:
        module: The full name of the main's module.
        arguments: The flags of the main.

    Raises:
        SystemExit: If the main refuses the flags.
        absl.flags.Error: If a main that does not use `cli` refuses the flags.
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
    """Gives a main its arguments and a table of flags without other mains.

    absl has a single table of flags, in which every name is unique. The flags
    of mains that other tests have imported are removed meanwhile. The flags of
    this main, whose module is given as a file, are removed afterwards.
    """
    from and_tf.utils import cli  # Every main has its --debug.

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
    """Yields the flags that are defined in some modules, with their module."""
    for place, found in flags.FLAGS.flags_by_module_dict().items():
        if of(place):
            yield from ((place, flag) for flag in found)
