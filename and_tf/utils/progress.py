"""Shows the progress of long work on a console."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from and_tf.utils import console
from and_tf.utils.errors import InputError

REFRESH = 0.1  # Seconds between two updates of a bar.
LONGEST_BAR = 30  # Characters.
LINES = 10  # Lines that `Counted` prints if there is no terminal for a bar.
PATIENCE = 10.0  # Seconds after which work that is mostly short shows itself.


def duration(seconds: float) -> str:
    """Formats seconds as "0:07", "12:33", "1:02:33" or "2 d 1:02:33"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if not days and not hours:
        return f"{minutes}:{seconds:02}"
    clock = f"{hours}:{minutes:02}:{seconds:02}"
    return f"{days} d {clock}" if days else clock


def bar(share: float, width: int) -> str:
    """Draws a share of 0 to 1 as "[==>  ]", with `width` characters inside."""
    if width < 1:
        return ""
    done = int(min(share, 1) * width)
    return f"[{'=' * done + '>' * (done < width):<{width}}]"


def line_with_bar(left: str, share: float, right: str) -> str:
    """Returns both texts with a bar between them that fits the terminal."""
    room = shutil.get_terminal_size().columns - len(left) - len(right) - 5
    return f"{left}  {bar(share, min(room, LONGEST_BAR))}{right}"


@contextlib.contextmanager
def standard_error_aside() -> Iterator[TextIO]:
    """Hides standard error, and with it the messages of libraries, in a block.

    TensorFlow and TFLite write some lines directly to file descriptor 2,
    whatever their log level, so this descriptor is redirected. Its output is
    shown after all if the block fails, except by an `InputError`, which
    explains itself, or by the user's interruption. With TF_CPP_MIN_LOG_LEVEL=0
    nothing is hidden.

    Yields:
        The standard error from before, for messages that should be seen.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        yield sys.stderr
        return
    sys.stderr.flush()
    shown = os.dup(2)
    stream = console.Output(shown, sys.stderr.encoding or "utf-8")
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield stream
        except (InputError, KeyboardInterrupt):
            raise
        except BaseException:
            sys.stderr.flush()
            aside.seek(0)
            os.write(shown, aside.read())
            raise
        finally:
            sys.stderr.flush()
            stream.flush()
            os.dup2(shown, 2)
            os.close(shown)


class TransientLine:
    """A line on a terminal that the next one replaces.

    It is drawn with a carriage return: rich would use escape sequences, and
    `console.Output` makes these visible, because names from outside may hold
    some.

    Args:
        stream: The stream to draw on.

    Attributes:
        possible: Whether the stream is a terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self.possible = stream.isatty()
        self._stream = stream
        self._shown = 0  # Characters.

    def show(self, text: str) -> None:
        """Replaces the last text by this one, cut to the terminal's width."""
        # The last column stays free: some terminals wrap as it is filled.
        text = text[: shutil.get_terminal_size().columns - 1]
        self._stream.write(f"\r{text:<{self._shown}}")
        self._stream.flush()
        self._shown = len(text)

    def clear(self) -> None:
        """Clears the line."""
        if self._shown:
            self._stream.write(f"\r{'':<{self._shown}}\r")
            self._shown = 0


class Counted:
    """Progress through a known number of items, as a context manager.

    On a terminal it is a bar that vanishes at the end; elsewhere it is a line
    at every tenth of the way. Both show the speed and the time left:

        embed  [=====>        ] 12,288/60,000   3,120/s  ETA 0:15

    Args:
        name: The name of the work, such as "embed".
        total: The number of items.
        done: The number of items that an earlier process did.
        stream: The stream to draw on; None is standard error, as the user may
            want to keep standard output.
        clock: Returns the time in seconds from any fixed moment.
        quiet: The number of seconds before anything is shown.
    """

    def __init__(
        self,
        name: str,
        total: int,
        done: int = 0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        quiet: float = 0.0,
    ) -> None:
        self._name = name
        self._quiet = quiet
        self._total = total
        self._first = self._done = done
        self._stream = stream or sys.stderr
        self._clock = clock
        self._line = TransientLine(self._stream)
        self._began = self._drawn = clock()

    def __enter__(self) -> Counted:
        return self

    def __exit__(self, *exception: object) -> None:
        self.clear()

    @property
    def done(self) -> int:
        """The number of items that are done."""
        return self._done

    def clear(self) -> None:
        """Clears the bar for a line of output, until the next `advance`."""
        self._line.clear()

    def advance(self, count: int) -> None:
        """Adds `count` items that are done, and shows the progress."""
        before, self._done = self._done, self._done + count
        now = self._clock()
        if now - self._began < self._quiet:
            return
        if self._line.possible:
            if now - self._drawn >= REFRESH or self._done >= self._total:
                self._drawn = now
                self._line.show(self._text(now))
        elif self._tenth(before) < self._tenth(self._done):
            print(self._text(now, drawn=False), file=self._stream, flush=True)

    def _tenth(self, done: int) -> int:
        return done * LINES // max(self._total, 1)

    def _text(self, now: float, drawn: bool = True) -> str:
        seconds = max(now - self._began, 1e-9)
        rate = (self._done - self._first) / seconds
        left = max(self._total - self._done, 0)
        eta = duration(left / rate) if rate else "?"
        total = f"{self._total:,}"
        right = f" {self._done:>{len(total)},}/{total}  {rate:>7,.0f}/s"
        right += f"  ETA {eta}"
        if not drawn:
            return self._name + right
        share = self._done / max(self._total, 1)
        return line_with_bar(self._name, share, right)
