"""An HTTP request that ends in time and takes no more than so much memory.

The timeout of `requests` is one for each read, so that a server that sends a
byte now and then is waited for for ever, and its body is read whatever its
length.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
from typing import Any

import requests

MOST_BYTES = 64 * 2**20  # Of an answer; 1,000 embeddings of 2,048 numbers.
_CHUNK_BYTES = 2**16


class TooLongError(requests.RequestException):
    """The answer is longer than `MOST_BYTES`."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """The answer of a server.

    Attributes:
        status: The HTTP status.
        reason: Its words.
        body: The whole body, decompressed.
    """

    status: int
    reason: str
    body: bytes


def request(method: str, url: str, content: Any, timeout: float) -> Answer:
    """Asks, and waits for the whole answer.

    Args:
        method: "GET" or "POST".
        url: Where to.
        content: Is sent as JSON; None sends nothing.
        timeout: Seconds for everything, connecting and sending included.

    Raises:
        requests.Timeout: If the answer is not there in time.
        TooLongError: If it is too long.
        requests.RequestException: For what else can go wrong.
    """
    done: queue.SimpleQueue[Answer | Exception] = queue.SimpleQueue()
    late = threading.Event()

    def work() -> None:
        try:
            done.put(_read(method, url, content, timeout, late))
        except Exception as error:  # Raised again where somebody waits.
            done.put(error)

    # A read that blocks cannot be ended from outside, so it is left alone. It
    # ends by itself, at the latest with the process.
    threading.Thread(target=work, daemon=True).start()
    try:
        found = done.get(timeout=timeout)
    except queue.Empty:
        late.set()
        raise requests.Timeout(f"no whole answer in {timeout:g} s") from None
    if isinstance(found, Exception):
        raise found
    return found


def _read(
    method: str, url: str, content: Any, timeout: float, late: threading.Event
) -> Answer:
    body = bytearray()
    with requests.request(
        method, url, json=content, timeout=timeout, stream=True
    ) as response:
        for chunk in response.iter_content(_CHUNK_BYTES):
            body += chunk
            if len(body) > MOST_BYTES:
                raise TooLongError(f"more than {MOST_BYTES:,} bytes")
            if late.is_set():
                break
        return Answer(response.status_code, response.reason or "", bytes(body))
