"""Defines errors that end a main with a sentence, not a stack trace."""

from __future__ import annotations

from and_tf.utils.escaping import for_console

MOST_CHARACTERS = 3_500  # Of a message; the longest lists all signatures.
END = 700  # Characters kept of its end, which says what to do.


class InputError(ValueError):
    """An error for input of the user that cannot be used.

    The message says in one or two sentences what was expected, what was
    received and what to do; a main prints it and exits with code 1. It is one
    line: line ends and other control characters, which the names of files may
    have, are escaped. Values from outside may be of any length, so a long
    message loses its middle.

    Args:
        *messages: The messages, usually one. Several are shown as one error
            each.

    Examples:
        >>> import and_tf
        >>> try:
        ...     and_tf.encoders.build("small", image_size=2)
        ... except and_tf.InputError as error:
        ...     print(error)
        Expected an image_size of 8 or more. Received: 2.
    """

    def __init__(self, *messages: str) -> None:
        super().__init__("\nerror: ".join(map(one_line, messages)))


def one_line(message: str) -> str:
    """Escapes a message, and cuts out the middle of a long one."""
    text = for_console(message)
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[: MOST_CHARACTERS - END]} … {text[-END:]}"


class Interrupted(Exception):
    """An exception for a signal that asked the process to end.

    It is raised once all work is kept.

    Args:
        signal_number: The number of the signal; the exit code is 128 more, as
            in shells.
        message: The text that says what is kept and how to continue.

    Attributes:
        exit_code: The exit code for the process.

    Examples:
        >>> import and_tf
        >>> try:  # As train_run does.
        ...     raise and_tf.Interrupted(15, "The run is kept up to step 3.")
        ... except and_tf.Interrupted as ended:
        ...     print(ended, "Exit code:", ended.exit_code)
        The run is kept up to step 3. Exit code: 143
    """

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
