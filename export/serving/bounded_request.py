"""Sends an HTTP request within limits of time and of memory.

The timeout of `requests` applies to each read, so a server that sends a byte
now and then would keep it waiting for ever; and it reads a body of any length.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
from typing import Any

import requests

# Longest answer; 1,000 embeddings of 2,048 numbers fit.
MOST_BYTES = 64 * 2**20
_CHUNK_BYTES = 2**16


class TooLongError(requests.RequestException):
    """An error for an answer that is longer than `MOST_BYTES`."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """The answer of a server.

    Attributes:
        status: The HTTP status code.
        reason: The status in words, such as "Not Found".
        body: The whole body, decompressed.
    """

    status: int
    reason: str
    body: bytes


def request(method: str, url: str, content: Any, timeout: float) -> Answer:
    """Sends a request and waits for the whole answer.

    Args:
        method: "GET" or "POST".
        url: The URL to send the request to.
        content: The body, sent as JSON; None sends no body.
        timeout: Longest time for connecting, sending and receiving together,
            in seconds.

    Raises:
        requests.Timeout: If the whole answer has not arrived in time.
        TooLongError: If the answer is longer than `MOST_BYTES`.
        requests.RequestException: If the request fails in another way.
    """
    done: queue.SimpleQueue[Answer | Exception] = queue.SimpleQueue()
    late = threading.Event()

    def work() -> None:
        try:
            done.put(_read(method, url, content, timeout, late))
        except Exception as error:  # The waiting thread raises it again.
            done.put(error)

    # A read that blocks cannot be stopped from outside, so the thread is left
    # to itself. It ends with the read, or with the process at the latest.
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
