"""Notes signals that ask a training to end, which it does after a step."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """A record of whether the process was asked to end.

    Attributes:
        signal_number: The number of the signal; 0 if there was no signal.
    """

    def __init__(self) -> None:
        self.signal_number = 0

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Notes the first signal in a block, instead of ending at once.

        The second signal ends the process at once. Outside the main thread,
        where Python allows no handlers, signals keep their usual effect.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in SIGNALS}

        def note(number: int, frame: FrameType | None) -> None:
            self.signal_number = number
            _restore(before)

        for number in SIGNALS:
            signal.signal(number, note)
        try:
            yield
        finally:
            _restore(before)


def _restore(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
