"""Shows the page of an exploration by HTTP, to this machine alone.

What can be asked for is known before anyone asks: the files of the page, by
the very paths under which they were found, and the images of the table, by
their row, with those of the reference that the page shows. No path is put
together from a request, and none is decoded. Of an image only bytes with the
digest that the table has are sent, so that neither a link nor a file that was
exchanged since leads to anything else.
"""

from __future__ import annotations

import hashlib
import http.server
import ipaddress
import os
import pathlib
import re
import socket
import stat
import sys
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import pyarrow as pa

from and_tf.exploring.page import FOLDER, INDEX
from and_tf.utils.errors import InputError

HOST = "127.0.0.1"
_UNKNOWN = "application/octet-stream"
_TYPES = {
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".css": "text/css; charset=utf-8",
    ".gif": "image/gif",
    ".html": "text/html; charset=utf-8",
    ".jfif": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
}
_HEADERS = {
    "Cache-Control": "no-cache",  # Ask again; an ETag makes that cheap.
    "X-Content-Type-Options": "nosniff",
    # No other site may show what is here.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
_IMAGE = re.compile(r"/image/([0-9]{1,9})", re.ASCII)
_IDLE = 30  # Seconds after which a silent connection is closed.


class _Content(NamedTuple):
    """An answer: bytes, their media type and a name for this version."""

    data: bytes
    kind: str
    version: str


class _Refused(Exception):
    """An exception for a request that is answered by a sentence.

    Args:
        status: The status of the answer.
        sentence: The text of the answer.
    """

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class PageServer(http.server.ThreadingHTTPServer):
    """A server of a page and of the images that it shows.

    Args:
        output: The directory of the exploration, with the page.
        files: The paths that open the images, by row.
        table: The table of the same rows; `bytes` and `sha256` are used.
        host: The name or address to listen at.
        port: The port to listen at; 0 takes a free one.

    Attributes:
        url: The URL of the page.

    Raises:
        InputError: If there is no page, or if nothing can listen there.
    """

    daemon_threads = True

    def __init__(
        self,
        output: pathlib.Path,
        files: Sequence[str | os.PathLike[str]],
        table: pa.Table,
        host: str = HOST,
        port: int = 8000,
    ) -> None:
        self.pages = dict(_pages(output))
        if "/" not in self.pages:
            raise InputError(
                f"Expected a page at {output / INDEX}. Received none. Run "
                "the command once without --serve."
            )
        self.host = host
        self.files = files
        self.sizes = table["bytes"].to_pylist()
        self.digests = table["sha256"].to_pylist()
        assert len(files) == len(self.digests)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise InputError(
                f"Expected a port that is free. Received {port} at {host}: "
                f"{error.strerror or error}. Give another --port, or 0 for "
                "any free one."
            ) from error
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.server_port}/"

    def server_bind(self) -> None:
        # Not HTTPServer's, which looks the name of this machine up.
        super(http.server.HTTPServer, self).server_bind()
        self.server_name = str(self.server_address[0])
        self.server_port = int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Passes by what a browser causes that hangs up."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def page(self, path: str) -> _Content:
        """Reads a file of the page.

        Raises:
            _Refused: If the page has no such file.
        """
        file = self.pages.get(path)
        if file is None:
            raise _Refused(HTTPStatus.NOT_FOUND, "The page has no such file.")
        try:
            with open(file, "rb", opener=_open_itself) as opened:
                status = os.fstat(opened.fileno())
                data = opened.read()
        except OSError as error:
            raise _gone() from error
        version = f"{status.st_size:x}-{status.st_mtime_ns:x}"
        return _Content(data, _type(file), version)

    def image(self, row: int) -> _Content:
        """Reads the image of a row.

        Raises:
            _Refused: If there is no such row, or if its file is not the one
                that the table is about.
        """
        digest = self.digests[row] if row < len(self.files) else None
        size = self.sizes[row] if digest else None
        if digest is None or size is None:
            raise _Refused(HTTPStatus.NOT_FOUND, "The table has no such row.")
        try:
            with open(self.files[row], "rb", opener=_open_at_once) as opened:
                status = os.fstat(opened.fileno())
                same = stat.S_ISREG(status.st_mode) and status.st_size == size
                data = opened.read(size) if same else b""
        except OSError as error:
            raise _gone() from error
        if not same or hashlib.sha256(data).hexdigest() != digest:
            raise _gone()
        return _Content(data, _type(self.files[row]), digest)


def serve(server: PageServer) -> None:
    """Prints the URL of a page, and shows it until Ctrl-C."""
    print(f"Showing {server.url} until Ctrl-C.", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: PageServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "and_tf", ""
    timeout = _IDLE

    def do_GET(self) -> None:
        """Sends a file of the page or an image."""
        # A body is not read, so that nothing may follow it.
        if "Content-Length" in self.headers:
            self.close_connection = True
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
        try:
            self._check_host()
            path = self.path.partition("?")[0]
            image = _IMAGE.fullmatch(path)
            if image:
                content = self.server.image(int(image[1]))
                self._send(content, {"Content-Security-Policy": "sandbox"})
            else:
                self._send(self.server.page(path), {})
        except _Refused as refused:
            text = f"{refused.sentence}\n".encode()
            self._start(refused.status, "text/plain; charset=utf-8", len(text))
            self.end_headers()
            self._write(text)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Prints nothing: a page asks for hundreds of files."""

    def _check_host(self) -> None:
        """Refuses names that lead here by tricks with DNS.

        A site whose name is made to lead to this machine could otherwise read
        what is here, as a browser takes both for one site. Numbers cannot be
        led anywhere.
        """
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or not _is_own(hosts[0], self.server.host):
            raise _Refused(
                HTTPStatus.FORBIDDEN,
                "Expected the address that was printed, or localhost.",
            )

    def _send(self, content: _Content, more: Mapping[str, str]) -> None:
        tag = f'"{content.version}"'
        known = self.headers.get("If-None-Match") == tag
        if known:
            self._start(HTTPStatus.NOT_MODIFIED, content.kind, None)
        else:
            self._start(HTTPStatus.OK, content.kind, len(content.data))
        self.send_header("ETag", tag)
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()
        if not known:
            self._write(content.data)

    def _start(self, status: HTTPStatus, kind: str, size: int | None) -> None:
        self.send_response(status)
        if size is not None:
            self.send_header("Content-Length", str(size))
        self.send_header("Content-Type", kind)
        for name, value in _HEADERS.items():
            self.send_header(name, value)

    def _write(self, data: bytes) -> None:
        if self.command != "HEAD":
            self.wfile.write(data)


def _pages(output: pathlib.Path) -> Iterator[tuple[str, pathlib.Path]]:
    """Yields the files of a page with their paths in URLs, and no links."""
    index = output / INDEX
    if _is_file(index):
        yield "/", index
        yield f"/{INDEX}", index
    if (output / FOLDER).is_symlink():
        return
    for folder, _, names in os.walk(output / FOLDER):
        for name in names:
            path = pathlib.Path(folder, name)
            if _is_file(path) and path.suffix in _TYPES:
                below = path.relative_to(output).as_posix()
                yield f"/{urllib.parse.quote(os.fsencode(below))}", path


def _is_file(path: pathlib.Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _open_itself(path: str, flags: int) -> int:
    """Opens a file, but not where a link in its place leads."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))


def _open_at_once(path: str, flags: int) -> int:
    """Opens a file, without waiting where a pipe is in its place."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _type(file: str | os.PathLike[str]) -> str:
    return _TYPES.get(pathlib.Path(file).suffix.lower(), _UNKNOWN)


def _gone() -> _Refused:
    return _Refused(
        HTTPStatus.GONE,
        "The file is missing or has changed since the images were looked "
        "through. Run the command again.",
    )


def _is_own(host: str, bound: str) -> bool:
    """Returns whether a request was for an address, or a name of this server.

    The port may differ, as where SSH passes the connection on.
    """
    try:
        name = urllib.parse.urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name in ("localhost", bound.lower()):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
