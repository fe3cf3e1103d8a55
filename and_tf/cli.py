"""How every main starts and ends: quietly, and in one sentence if it fails."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Sequence

from absl import app, flags, logging

from and_tf import checkpoint_name, damage
from and_tf.errors import InputError, Interrupted
from and_tf.terminal import standard_error_aside

# So that --help of the main that has them defined lists them.
flags.disclaim_key_flags()


def define_checkpoint() -> flags.FlagHolder[str]:
    """Defines --checkpoint, of mains that take up a run."""
    holder = flags.DEFINE_string(
        "checkpoint",
        checkpoint_name.LAST,
        "last; best, that of the epoch with the best kNN in the memory bank: "
        "chosen on the queries, so on test labels; or round_<r>, of the end "
        "of a round, where round_0 is instance learning.",
    )
    flags.register_validator(holder, _is_checkpoint)
    return holder


def _is_checkpoint(name: str) -> bool:
    try:
        checkpoint_name.round_of(name)
    except InputError as error:
        raise flags.ValidationError(str(error)) from error
    return True


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Runs `main` under absl; an `InputError` ends it in one sentence.

    Args:
        main: Takes the arguments that are left after the flags.
    """

    def answer(argv: Sequence[str]) -> None:
        # absl's own default is to print what libraries note in passing.
        if logging.get_verbosity() == logging.INFO:
            logging.set_verbosity(logging.WARNING)
        try:
            if len(argv) > 1:
                raise InputError(
                    f"Expected flags alone (--name=value). Received: "
                    f"{' '.join(argv[1:])!r}. Run with --help for the flags."
                )
            main(argv)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(1)
        except Interrupted as interruption:
            print(f"interrupted: {interruption}", file=sys.stderr)
            sys.exit(interruption.exit_code)
        except BrokenPipeError:  # What reads our lines has read enough.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(128 + signal.SIGPIPE)
        except Exception as error:
            sentence = unreadable(error) or damage.sentence(error)
            if sentence is None:
                raise
            print(f"\nerror: {sentence}", file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            print("\ninterrupted", file=sys.stderr)
            sys.exit(130)

    app.run(answer)


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
