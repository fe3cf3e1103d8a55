"""The one error that a user can cause."""

from __future__ import annotations


class InputError(ValueError):
    """What the user gave cannot be used.

    The message says in one or two sentences what was expected, what was
    received and what to do; a main prints it and exits with code 1.
    """
