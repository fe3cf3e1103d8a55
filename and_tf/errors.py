"""The one error that a user can cause, and how a main answers it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from absl import app


class InputError(ValueError):
    """What the user gave cannot be used.

    The message says in one or two sentences what was expected, what was
    received and what to do; a main prints it and exits with code 1.
    """


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Runs `main` under absl; an `InputError` ends it in one sentence.

    Args:
        main: Takes the arguments that are left after the flags.
    """

    def answer(argv: Sequence[str]) -> None:
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
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(130)

    app.run(answer)
