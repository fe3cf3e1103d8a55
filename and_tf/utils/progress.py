"""What a console shows of work that takes a while."""

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
LINES = 10  # Of a counted work, where there is no terminal to draw a bar on.


def duration(seconds: float) -> str:
    """Seconds as "0:07", "12:33", "1:02:33" or "2 d 1:02:33"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if not days and not hours:
        return f"{minutes}:{seconds:02}"
    clock = f"{hours}:{minutes:02}:{seconds:02}"
    return f"{days} d {clock}" if days else clock


def bar(share: float, width: int) -> str:
    """A share of 0 to 1 as "[====>     ]" with `width` characters inside."""
    if width < 1:
        return ""
    done = int(min(share, 1) * width)
    return f"[{'=' * done + '>' * (done < width):<{width}}]"


def line_with_bar(left: str, share: float, right: str) -> str:
    """Both texts with a bar between them, as long as the terminal allows."""
    room = shutil.get_terminal_size().columns - len(left) - len(right) - 5
    return f"{left}  {bar(share, min(room, LONGEST_BAR))}{right}"


@contextlib.contextmanager
def standard_error_aside() -> Iterator[TextIO]:
    """Turns standard error aside, and with it what libraries note in passing.

    TensorFlow and TFLite write some lines straight to file descriptor 2,
    whatever their log level, so that is what is turned aside. What it caught
    is shown after all if the block fails, unless by an `InputError`, which
    says enough itself, or by the user's own interruption. With
    TF_CPP_MIN_LOG_LEVEL=0 nothing is turned aside.

    Yields:
        The standard error from before, for what is meant to be seen.
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
    """A line on a terminal that the next one, or nothing, replaces."""

    def __init__(self, stream: TextIO) -> None:
        self.possible = stream.isatty()
        self._stream = stream
        self._shown = 0  # Characters.

    def show(self, text: str) -> None:
        """Puts the text, cut to the terminal's width, in place of the last."""
        # The last column stays free: some terminals wrap as it is filled.
        text = text[: shutil.get_terminal_size().columns - 1]
        self._stream.write(f"\r{text:<{self._shown}}")
        self._stream.flush()
        self._shown = len(text)

    def clear(self) -> None:
        """Leaves an empty line."""
        if self._shown:
            self._stream.write(f"\r{'':<{self._shown}}\r")
            self._shown = 0


class Counted:
    """Progress through a known number of things, as a context manager.

    On a terminal it is a bar that vanishes at the end; elsewhere a line at
    every tenth of the way. Both say how fast it goes and when it will end:

        embed  [=====>        ] 12,288/60,000   3,120/s  ETA 0:15

    Args:
        name: What is being done.
        total: How many things there are.
        done: How many of them an earlier process did.
        stream: Where to; None is standard error, as standard output may be
            what the user wants to keep.
        clock: Seconds from any fixed moment.
    """

    def __init__(
        self,
        name: str,
        total: int,
        done: int = 0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
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

    def clear(self) -> None:
        """Makes way for a line of output, until the next `advance`."""
        self._line.clear()

    def advance(self, count: int) -> None:
        """Notes that `count` more are done, and shows it."""
        before, self._done = self._done, self._done + count
        now = self._clock()
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
