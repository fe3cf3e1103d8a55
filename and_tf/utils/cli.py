"""Runs a main, which starts quietly and reports an error in one sentence."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Sequence

from absl import app, flags, logging

from and_tf.utils import (
    command_help,
    console,
    environment,
    flag_files,
    unexpected,
)
from and_tf.utils.errors import InputError, Interrupted, one_line
from and_tf.utils.flag_config import define_flags, from_flags
from and_tf.utils.progress import standard_error_aside

# So absl attributes flags to the main for which they are defined.
flags.disclaim_key_flags()

_DEBUG = flags.DEFINE_bool(
    "debug", False, "Show the stack trace of an error too."
)
_HELP = ("--help", "-help", "-?", "--helpshort")


def run(
    main: Callable[..., None],
    *configs: type,
    besides: Sequence[type] = (),
    for_reader: Callable[..., bool] = lambda *_: False,
) -> None:
    """Runs `main` under absl, and reports an error in one sentence.

    Args:
        main: The function to run. It takes a config of each class in
            `configs` or, without any, the arguments left after the flags.
        *configs: Classes whose fields are the command's flags; see
            `flag_config`.
        besides: Further classes of flags, whose configs `main` makes itself.
        for_reader: Takes the arguments of `main`, and returns whether `main`
            is run only for its printed output. Then it ends as soon as the
            reader of a pipe ends; otherwise, the default, it goes on without
            the reader.
    """
    shown = (*configs, *besides)

    def parse(argv: Sequence[str]) -> list[str]:
        if shown and not {*_HELP}.isdisjoint(argv[1:]):
            print(_help(main, shown))
            sys.exit()
        return _parse(argv)

    def answer(argv: Sequence[str]) -> None:
        # By default absl prints the INFO messages of libraries.
        if logging.get_verbosity() == logging.INFO:
            logging.set_verbosity(logging.WARNING)
        try:
            _begin(argv)
            given = [from_flags(config) for config in configs] or [argv]
            if for_reader(*given):
                console.end_with_reader()
            main(*given)
            sys.stdout.flush()
        except Exception as error:
            sys.exit(_end(error))
        except KeyboardInterrupt:
            console.complain("\ninterrupted")
            sys.exit(130)
        _tell_of_lost_output()

    console.prepare()
    flags.declare_key_flag(_DEBUG.name)  # So that absl's --help lists it.
    for config in shown:
        define_flags(config)
    app.run(answer, flags_parser=parse)


def _help(main: Callable[..., None], configs: Sequence[type]) -> str:
    """Returns the text of --help: the docstring of the main, and its flags."""
    description = sys.modules[main.__module__].__doc__ or ""
    width = shutil.get_terminal_size().columns
    return command_help.text(description, configs, width)


def _parse(argv: Sequence[str]) -> list[str]:
    """Reads the flags, and reports an error in one sentence."""
    try:
        return flags.FLAGS([argv[0], *flag_files.expand(argv[1:])])
    except (flags.Error, InputError, OSError, ValueError) as error:
        console.complain(f"error: {flags_sentence(error)}")
        sys.exit(1)


def flags_sentence(error: Exception) -> str:
    """Returns one line for an error of absl's, or our own, about flags.

    absl repeats a value whole, however long it is.
    """
    # The project's own errors name the flag themselves.
    text = re.sub(r"^flag --\w+=.*?: (?=Expected)", "", str(error))
    return one_line(f"{text.rstrip(' .')}. Run with --help for the flags.")


def _begin(argv: Sequence[str]) -> None:
    """Checks the arguments and Keras' settings before any work."""
    if len(argv) > 1:
        raise InputError(
            f"Expected flags only (--name=value). Received: "
            f"{' '.join(argv[1:])!r}. Run with --help for the flags."
        )
    environment.check()


def _end(error: Exception) -> int:
    """Prints what went wrong, with the stack trace if --debug is given.

    Returns:
        The exit code.
    """
    if _DEBUG.value:
        traceback.print_exception(error)
    if isinstance(error, Interrupted):
        console.complain(f"interrupted: {error}")
        return error.exit_code
    if isinstance(error, BrokenPipeError) and console.ends_with_reader():
        # The reader of the output has closed the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    if isinstance(error, InputError):
        console.complain(f"error: {error}")
    else:
        console.complain(f"\nerror: {unexpected.sentence(error)}")
    return 1


def _tell_of_lost_output() -> None:
    """Prints a note if output was lost, for example on a full disk."""
    lost = console.lost(sys.stdout)
    if lost is not None and lost.strerror and lost.errno != errno.EPIPE:
        console.complain(
            f"note: lines are missing from standard output ({lost.strerror}). "
            "What the command writes to files is complete."
        )


def import_tensorflow() -> None:
    """Imports TensorFlow and looks for GPUs, without its messages.

    With TF_CPP_MIN_LOG_LEVEL=0 they are shown, which tells why a GPU is not
    found.
    """
    # Otherwise TensorFlow takes all of a GPU's memory at once, and a second
    # process on it, such as an evaluation of the run in training, gets none.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    with standard_error_aside():
        import tensorflow as tf

        tf.config.list_physical_devices("GPU")
