"""The server of a page: what it gives, and all that it does not."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import pathlib
import threading
from collections.abc import Iterator

import pytest

from and_tf.exploring.serving import PageServer, serve
from and_tf.utils.errors import InputError
from tests import browser
from tests.exploring import pages

NAMES = ("a.png", "sub/b c.jpg", "linked.png", "swapped.png", "pipe.png")
SECRET = b"a secret"


@contextlib.contextmanager
def running(server: PageServer) -> Iterator[PageServer]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> pathlib.Path:
    """A folder with images, an exploration of it, and a secret beside both."""
    place = tmp_path_factory.mktemp("place")
    paths = pages.save_images(place / "photos", NAMES)
    shown = pages.table(len(NAMES), **pages.described(NAMES, paths))
    pages.write(place / "explore", shown, place / "photos")
    (place / "secret.png").write_bytes(SECRET)
    (place / "explore" / "images.csv").write_bytes(SECRET)
    sheets = place / "explore" / "page" / "sprites"
    (sheets / "linked.png").symlink_to(place / "secret.png")
    (sheets.parent / "linked").symlink_to(place)
    return place


@pytest.fixture(scope="module")
def server(place) -> Iterator[PageServer]:
    paths = [str(place / "photos" / name) for name in NAMES]
    shown = pages.table(len(NAMES), **pages.described(NAMES, paths))
    with running(PageServer(place / "explore", paths, shown, port=0)) as server:
        # Since the pass, one is a link to the same bytes, one to a secret.
        photos = place / "photos"
        (photos / "linked.png").rename(place / "moved.png")
        (photos / "linked.png").symlink_to(place / "moved.png")
        (photos / "swapped.png").unlink()
        (photos / "swapped.png").symlink_to(place / "secret.png")
        (photos / "pipe.png").unlink()
        os.mkfifo(photos / "pipe.png")
        yield server


def ask(
    server: PageServer, path: str, method: str = "GET", **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    """Asks for a path exactly as it is written."""
    connection = http.client.HTTPConnection(*server.server_address[:2])
    with contextlib.closing(connection):
        host = headers.pop("host", f"localhost:{server.server_port}")
        connection.putrequest(
            method, path, skip_host=True, skip_accept_encoding=True
        )
        connection.putheader("Host", host)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer, answer.read()


def test_the_page_and_its_images_are_sent(server, place):
    for path, file in [
        ("/", "explore/index.html"),
        ("/index.html?a=1", "explore/index.html"),
        ("/page/explore.js", "explore/page/explore.js"),
        ("/page/sprites/0.png", "explore/page/sprites/0.png"),
        ("/image/0", "photos/a.png"),
        ("/image/1", "photos/sub/b c.jpg"),
        ("/image/2", "moved.png"),
    ]:
        answer, content = ask(server, path)
        assert answer.status == 200
        assert content == (place / file).read_bytes()
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        policy = answer.headers["Cross-Origin-Resource-Policy"]
        assert policy == "same-origin"
        kind = answer.headers["Content-Type"]
        head, nothing = ask(server, path, "HEAD")
        assert (head.status, nothing) == (200, b"")
        assert head.headers["Content-Length"] == str(len(content))
        tag = answer.headers["ETag"]
        again, nothing = ask(server, path, If_None_Match=tag)
        assert (again.status, nothing) == (304, b"")
        if path == "/image/1":
            assert kind == "image/jpeg"
            digest = hashlib.sha256(content).hexdigest()
            assert tag == f'"{digest}"'


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.png",
        "/page/../../secret.png",
        "/page/..%2f..%2fsecret.png",
        "/page/%2e%2e/%2e%2e/secret.png",
        "/page/..\\..\\secret.png",
        "/page//sprites/0.png",
        "/page/sprites/",
        "/page/sprites/linked.png",
        "/page/linked/secret.png",
        "/page/explore.js%00.png",
        "/pag%65/explore.js",
        "/page/NOTICE",
        "/images.csv",
        "/image/5",
        "/image/999999999",
        "/image/-1",
        "/image/0/../1",
        "/image/1.0",
        "/image/%30",
        "/image/" + "9" * 5000,
        "/photos/a.png",
        "//etc/passwd",
        "http://localhost/../secret.png",
        "*",
    ],
)
def test_nothing_else_is_sent(server, path):
    answer, content = ask(server, path)
    assert answer.status in (400, 404)
    assert SECRET not in content and b"root:" not in content


def test_a_file_that_has_changed_is_not_sent(server):
    for row in (3, 4):  # A link to elsewhere, and a pipe that never ends.
        answer, content = ask(server, f"/image/{row}")
        assert answer.status == 410
        assert b"Run the command again" in content


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:9000", 200),  # As SSH passes it on.
        ("[::1]:8000", 200),
        ("LOCALHOST:1", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example:8000", 403),
        ("localhost@evil.example", 403),
        ("", 403),
        ("[", 403),
    ],
)
def test_names_of_others_are_refused(server, host, status):
    answer, content = ask(server, "/image/0", host=host)
    assert answer.status == status
    assert (b"PNG" in content) == (status == 200)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "X"])
def test_nothing_can_be_written(server, method):
    answer, _ = ask(server, "/image/0", method)
    assert answer.status == 501


def test_errors_of_users_are_sentences(server, tmp_path):
    with pytest.raises(InputError, match="Run the command once without"):
        PageServer(tmp_path, [], pages.table(0), port=0)
    pages.write(tmp_path, pages.table(1))
    with pytest.raises(InputError, match="Give another --port"):
        PageServer(tmp_path, ["a"], pages.table(1), port=server.server_port)


def test_ctrl_c_ends_it(tmp_path, capsys, monkeypatch):
    pages.write(tmp_path, pages.table(1))
    server = PageServer(tmp_path, ["a"], pages.table(1), port=0)

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(server, "service_actions", interrupted)
    serve(server)
    assert capsys.readouterr().out.startswith(f"Showing {server.url} until")
    assert server.socket.fileno() == -1


def test_a_browser_shows_the_page_and_its_images(server, tmp_path):
    found = browser.find()
    if found is None:
        pytest.skip(f"no browser here: none of {', '.join(browser.NAMES)}")
    with browser.tab(found, tmp_path) as tab:
        tab.open(f"{server.url}#images", 900, 700)
        tab.until("document.querySelectorAll('.tile').length === 5")
        for row in (0, 1, 2):
            tab.evaluate(f"document.querySelectorAll('.tile')[{row}].click()")
            tab.until(
                "document.querySelector('img.original')?.naturalWidth"
                f" === {row + 3}"
            )
        assert not tab.told("Runtime.exceptionThrown")
        assert not tab.told("Log.entryAdded")
        # Where the images are on this disk, a page of a server cannot know.
        tab.click("document.querySelector('.tile .mark')")
        script = tab.download(
            "document.querySelectorAll('.selection button')[1]", tmp_path
        )
        assert b"sh move.sh TARGET IMAGES" in script
        assert os.fsencode(tmp_path.parent) not in script
