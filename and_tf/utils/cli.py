"""How every main starts and ends: quietly, and in one sentence if it fails."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Sequence

from absl import app, flags, logging

from and_tf.utils import (
    checkpoint_names,
    console,
    damage,
    environment,
    flag_files,
    unexpected,
)
from and_tf.utils.errors import InputError, Interrupted
from and_tf.utils.progress import standard_error_aside

# So that --help of the main that has them defined lists them.
flags.disclaim_key_flags()

_DEBUG = flags.DEFINE_bool(
    "debug", False, "Show the whole trace of an error, above its sentence."
)


def define_checkpoint() -> flags.FlagHolder[str]:
    """Defines --checkpoint, of mains that take up a run."""
    holder = flags.DEFINE_string(
        "checkpoint",
        checkpoint_names.LAST,
        "last; best, that of the epoch with the best kNN in the memory bank: "
        "chosen on the queries, so on test labels; or round_<r>, of the end "
        "of a round, where round_0 is instance learning.",
    )
    flags.register_validator(holder, _is_checkpoint)
    return holder


def _is_checkpoint(name: str) -> bool:
    try:
        checkpoint_names.round_of(name)
    except InputError as error:
        raise flags.ValidationError(str(error)) from error
    return True


def run(
    main: Callable[[Sequence[str]], None],
    for_reader: Callable[[], bool] = lambda: False,
) -> None:
    """Runs `main` under absl; whatever goes wrong ends it in one sentence.

    Args:
        main: Takes the arguments that are left after the flags.
        for_reader: Whether what it prints is all that it is run for, so that
            it ends as soon as a pipe's reader has. Asked after the flags are
            read. Otherwise `main` goes on without the reader.
    """

    def answer(argv: Sequence[str]) -> None:
        # absl's own default is to print what libraries note in passing.
        if logging.get_verbosity() == logging.INFO:
            logging.set_verbosity(logging.WARNING)
        try:
            if for_reader():
                console.end_with_reader()
            _begin(argv)
            main(argv)
            sys.stdout.flush()
        except Exception as error:
            sys.exit(_end(error))
        except KeyboardInterrupt:
            console.complain("\ninterrupted")
            sys.exit(130)
        _tell_of_lost_output()

    console.prepare()
    flags.declare_key_flag(_DEBUG.name)  # So that --help of the main lists it.
    app.run(answer, flags_parser=_parse)


def _parse(argv: Sequence[str]) -> list[str]:
    """Reads the flags; what is wrong with them is one sentence too."""
    try:
        return flags.FLAGS([argv[0], *flag_files.expand(argv[1:])])
    except (flags.Error, InputError, OSError, ValueError) as error:
        # Our own validators name the flag themselves.
        text = re.sub(r"^flag --\w+=.*?: (?=Expected)", "", str(error))
        text = text.rstrip(" .")
        console.complain(f"error: {text}. Run with --help for the flags.")
        sys.exit(1)


def _begin(argv: Sequence[str]) -> None:
    """Checks what every main needs, before any work."""
    if len(argv) > 1:
        raise InputError(
            f"Expected flags alone (--name=value). Received: "
            f"{' '.join(argv[1:])!r}. Run with --help for the flags."
        )
    environment.check()


def _end(error: Exception) -> int:
    """Says what went wrong, with the trace if --debug asks for it.

    Returns:
        The exit code.
    """
    if _DEBUG.value:
        traceback.print_exception(error)
    if isinstance(error, Interrupted):
        console.complain(f"interrupted: {error}")
        return error.exit_code
    if isinstance(error, BrokenPipeError) and console.ends_with_reader():
        # What reads our lines has read enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    if isinstance(error, InputError):
        console.complain(f"error: {error}")
    else:
        sentence = (
            unreadable(error)
            or damage.sentence(error)
            or unexpected.sentence(error)
        )
        console.complain(f"\nerror: {sentence}")
    return 1


def _tell_of_lost_output() -> None:
    """Notes that lines are missing where a disk was full, say."""
    lost = console.lost(sys.stdout)
    if lost is not None and lost.strerror and lost.errno != errno.EPIPE:
        console.complain(
            f"note: lines are missing from standard output ({lost.strerror}). "
            "What the command writes to files is whole."
        )


def unreadable(error: Exception) -> str | None:
    """The sentence for an image that a stream found broken in mid-run.

    Such an error is raised inside TensorFlow's graph, by the assertion of
    `data.split.Stream`, and arrives wrapped in what TensorFlow says of it.

    Returns:
        None if the error is another one.
    """
    found = re.search(r"\[(Expected an image [^]]*)\] \[([^]]*)\]", str(error))
    if found is None:
        return None
    return (
        f"{found[1]} {found[2]}. It could be read when the run began: put it "
        "back, then go on with --resume."
    )


def import_tensorflow() -> None:
    """Imports TensorFlow and looks for GPUs without its lines about it.

    With TF_CPP_MIN_LOG_LEVEL=0 they are shown, which tells why a GPU is not
    found.
    """
    # Else TensorFlow takes all of a GPU's memory at once, and a second process
    # on it, such as an evaluation of the run that trains there, gets none.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    with standard_error_aside():
        import tensorflow as tf

        tf.config.list_physical_devices("GPU")
