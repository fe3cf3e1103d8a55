"""Work that goes on beside its caller's, until its result is asked for."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def begin(compute: Callable[[], T]) -> Callable[[], T]:
    """Begins a computation in a thread of its own.

    The thread keeps its process alive. One that goes on for long asks
    `abandoned` between two steps, so that a process can end; threads of
    `concurrent.futures` are waited for before that could be told.

    Args:
        compute: What is to be computed.

    Returns:
        What waits for the result and gives it, or raises what was raised;
        as often as it is called.
    """
    future = concurrent.futures.Future()

    def work() -> None:
        try:
            future.set_result(compute())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, name=f"{__name__}.begin").start()
    return future.result


def abandoned() -> bool:
    """Whether the main thread has ended, which nobody outlives with use."""
    return not threading.main_thread().is_alive()
