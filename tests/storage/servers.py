"""An object store of this machine, and a network before it that fails.

The store is moto's, which speaks S3. Clients reach it through a proxy, which
breaks connections, stops in the middle of an answer, or changes an object
before it is read, as a test tells it to.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import logging
import threading
from collections.abc import Callable, Iterator

import pytest
import s3fs
from moto.server import ThreadedMotoServer

from and_tf.storage import store

BUCKET = "bucket"
Fault = Callable[["_Handler", http.client.HTTPResponse, bytes], None]


class Proxy(http.server.ThreadingHTTPServer):
    """A proxy before a store.

    Attributes:
        faults: The faults to come, by the end of a request, such as
            "GET /bucket/a.png" or "a.png": each takes the place of an answer.
        served: The method and path of each request.
    """

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.faults: dict[str, list[Fault]] = {}
        self.served: list[str] = []
        self.released = threading.Event()  # What stalls waits for it.
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def next_fault(self, request: str) -> Fault | None:
        path = request.partition("?")[0]
        with self.lock:
            self.served.append(path)
            for name, faults in self.faults.items():
                if path.endswith(name) and faults:
                    return faults.pop(0)
        return None


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def handle_any(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        fault = self.server.next_fault(f"{self.command} {self.path}")
        connection = http.client.HTTPConnection(self.server.target)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if fault:
            fault(self, answer, content)
        else:
            self.send(answer, content, len(content))

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any

    def send(
        self, answer: http.client.HTTPResponse, content: bytes, most: int
    ) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding"):
                self.send_header(name, value)
        size = len(content)
        if self.command == "HEAD":
            size = int(answer.getheader("Content-Length") or 0)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.write(content[:most])
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def breaks(
    handler: _Handler, answer: http.client.HTTPResponse, content: bytes
) -> None:
    """Ends the connection in the middle of an answer."""
    handler.send(answer, content, len(content) // 2)
    handler.close_connection = True


def drops(
    handler: _Handler, answer: http.client.HTTPResponse, content: bytes
) -> None:
    """Ends the connection without an answer."""
    handler.close_connection = True


def stalls(
    handler: _Handler, answer: http.client.HTTPResponse, content: bytes
) -> None:
    """Sends half of an answer, and nothing more until the test ends."""
    handler.send(answer, content, len(content) // 2)
    handler.server.released.wait()
    handler.close_connection = True


def after(work: Callable[[], object]) -> Fault:
    """Sends the answer only after something else has happened."""

    def fault(
        handler: _Handler, answer: http.client.HTTPResponse, content: bytes
    ) -> None:
        work()
        handler.send(answer, content, len(content))

    return fault


@contextlib.contextmanager
def running() -> Iterator[tuple[str, Proxy]]:
    """Runs the store and the proxy; yields the store's address and it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    proxy = Proxy(f"{host}:{port}")
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{port}", proxy
    finally:
        proxy.released.set()
        proxy.shutdown()
        server.stop()


def connect(patch: pytest.MonkeyPatch, url: str) -> s3fs.S3FileSystem:
    """Lets clients of this process use a store; returns one of them."""
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        patch.setenv(name, value)
    patch.setattr(store, "PAUSE", 0.0)
    s3fs.S3FileSystem.clear_instance_cache()
    return s3fs.S3FileSystem(use_listings_cache=False)
