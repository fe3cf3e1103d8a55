"""Work that goes on beside its caller's, until its result is asked for."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_begun = threading.Lock()
_last_ended = threading.Event()  # Of what was begun last.
_last_ended.set()


def begin(compute: Callable[[], T]) -> Callable[[], T]:
    """Begins a computation in a thread of its own, once those before ended.

    A thread keeps its process alive. One that goes on for long asks
    `abandoned` between two steps, so that a process can end.

    Args:
        compute: What is to be computed.

    Returns:
        What waits for the result and gives it, or raises what was raised;
        as often as it is called.
    """
    global _last_ended
    future, ended = concurrent.futures.Future(), threading.Event()
    with _begun:
        before, _last_ended = _last_ended, ended

    def work() -> None:
        before.wait()
        try:
            future.set_result(compute())
        except BaseException as error:
            future.set_exception(error)
        finally:
            ended.set()

    threading.Thread(target=work, name=f"{__name__}.begin").start()
    return future.result


def abandoned() -> bool:
    """Whether the main thread has ended, which nobody outlives with use."""
    return not threading.main_thread().is_alive()
