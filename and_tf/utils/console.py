"""Makes standard streams whose errors do not end a command.

A console may lack characters, a pipe may be closed, a disk may be full. No such
error should cost hours of training, so characters that cannot be shown are
replaced, and output that cannot be written is left out.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import sys
from typing import Any, TextIO

from and_tf.utils import escaping

ERRORS = "and_tf.spell"  # Encodes the characters that a console lacks.
_SPELLED = {
    "×": "x",
    "…": "...",
    "τ": "tau",
    "λ": "lambda",
    "η": "eta",
    "±": "+-",
    "–": "-",
    "—": "-",
    "→": "->",
    "“": '"',
    "”": '"',
    "’": "'",
}
# TFDS' progress bars write these on their own, to stand below each other.
_MOVES = re.compile(r"(\n|\r|\x1b\[A)*")


def _spell(error: UnicodeError) -> tuple[str, int]:
    """Spells the project's own signs, and escapes all other characters."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    spelled = (
        _SPELLED.get(c) or c.encode("ascii", "backslashreplace").decode()
        for c in text
    )
    return "".join(spelled), error.end


codecs.register_error(ERRORS, _spell)


class _Descriptor(io.FileIO):
    """A descriptor that drops what cannot be written, and notes the error.

    Attributes:
        lost: The first error of writing; None if there was no error.
        for_reader: Whether to raise the `BrokenPipeError` of a reader that
            has closed its end, instead of going on without it.
    """

    lost: OSError | None = None
    for_reader: bool = False

    def write(self, data: Any, /) -> int:
        """Writes, or drops the data once writing has failed."""
        if self.lost is None:
            try:
                return super().write(data)
            except OSError as error:
                if self.for_reader and isinstance(error, BrokenPipeError):
                    raise
                self.lost = error
        return memoryview(data).nbytes


class Output(io.TextIOWrapper):
    """A text stream on a descriptor, which stays open when this is closed.

    Args:
        descriptor: The number of the descriptor to write to.
        encoding: The encoding of the console.

    Attributes:
        descriptor: The stream of bytes that the text is written to.
    """

    def __init__(self, descriptor: int, encoding: str) -> None:
        self.descriptor = _Descriptor(descriptor, "wb", closefd=False)
        super().__init__(
            io.BufferedWriter(self.descriptor),
            encoding=encoding,
            errors=ERRORS,
            line_buffering=True,
        )

    def write(self, text: str, /) -> int:
        """Writes a text, with its control characters made visible."""
        if not _MOVES.fullmatch(text):
            text = escaping.for_stream(text)
        return super().write(text)


def prepare() -> None:
    """Replaces the standard streams by streams that never fail.

    Streams that are not the operating system's, such as those of a test, are
    left alone.
    """
    for descriptor in range(3):
        _open(descriptor)
    sys.stdin = sys.stdin or open(os.devnull)
    sys.stdout = _output(sys.stdout, 1)
    sys.stderr = _output(sys.stderr, 2)


def end_with_reader() -> None:
    """Lets a main end when the reader of its output ends."""
    if isinstance(sys.stdout, Output):
        sys.stdout.descriptor.for_reader = True


def ends_with_reader() -> bool:
    """Returns whether `end_with_reader` was called."""
    return isinstance(sys.stdout, Output) and sys.stdout.descriptor.for_reader


def lost(stream: TextIO | None) -> OSError | None:
    """Returns the error that lost a stream's output; None if none was lost."""
    return stream.descriptor.lost if isinstance(stream, Output) else None


def complain(text: str) -> None:
    """Prints a line to standard error or, if closed, to standard output."""
    # A carriage return, which a name may have, would hide what is before it.
    text = text.replace("\r", "\\r")
    closed = lost(sys.stderr) is not None
    print(text, file=sys.stdout if closed else sys.stderr, flush=True)


def _open(descriptor: int) -> None:
    """Opens a closed descriptor to the null device.

    Otherwise the next file to be opened, such as a checkpoint, would get its
    number, and libraries would write their messages into that file.
    """
    try:
        os.fstat(descriptor)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != descriptor:
            os.dup2(opened, descriptor)
            os.close(opened)


def _output(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is None:
        nothing = Output(descriptor, "utf-8")
        nothing.descriptor.lost = OSError("closed")
        return nothing
    if type(stream) is not io.TextIOWrapper:
        return stream
    stream.flush()
    return Output(descriptor, stream.encoding)
