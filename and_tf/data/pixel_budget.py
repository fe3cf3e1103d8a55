"""Bounds the memory of images that are decoded at the same time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class PixelBudget:
    """Has decoders wait until their pixels fit beside those of the others.

    Threads decode beside each other, as many as there are cores. What one
    image takes is bounded by its own size; what all take together, by this.

    Args:
        most: How many pixels may be in flight. An image of more is let in
            when there is no other.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._in_flight = 0
        self._turn = threading.Lock()  # Who comes first is let in first.
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Waits until there is room, and takes it for as long as the block.

        Args:
            pixels: Of the image that is decoded in the block.
        """
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._has_room(pixels))
            self._in_flight += pixels
        try:
            yield
        finally:
            with self._changed:
                self._in_flight -= pixels
                self._changed.notify_all()

    def _has_room(self, pixels: int) -> bool:
        return not self._in_flight or self._in_flight + pixels <= self._most
