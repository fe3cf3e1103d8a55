"""Drives a headless Chromium over a pipe by the DevTools protocol."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
)
FLAGS = (
    "--headless",
    "--no-sandbox",  # Without it, Chromium refuses to start as root.
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
# The browser reads commands from descriptor 3 and answers on 4.
_START = "import os, sys; r, w = map(int, sys.argv[1:3]); os.dup2(r, 3); \
os.dup2(w, 4); os.execv(sys.argv[3], sys.argv[3:])"


def find() -> str | None:
    """Returns the path of a Chromium or Chrome; None if none is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """One tab of a browser.

    Args:
        requests: File descriptor to which commands are written.
        answers: File descriptor from which answers are read.

    Attributes:
        events: The events that the browser has reported, oldest first.
    """

    def __init__(self, requests: int, answers: int) -> None:
        self._requests = requests
        self._answers = os.fdopen(answers, "rb")
        self._session: str | None = None
        self._buffer = b""
        self._count = 0
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")
        self._session = self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Sends a command to the browser and waits for its result.

        Args:
            method: Name of the command, such as "Page.navigate".
            **parameters: The parameters of the command.

        Raises:
            RuntimeError: If the browser answers with an error.
        """
        self._count += 1
        request = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            request["sessionId"] = self._session
        os.write(self._requests, json.dumps(request).encode() + b"\0")
        while True:
            message = self._read()
            if message.get("id") != self._count:
                continue
            if "error" in message:
                raise RuntimeError(f"{method}: {message['error']}")
            return message["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = self._answers.read1(2**20)
            if not part:
                raise RuntimeError("the browser has ended")
            self._buffer += part
        text, _, self._buffer = self._buffer.partition(b"\0")
        message = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message

    def open(
        self,
        page: pathlib.Path | str,
        width: int,
        height: int,
        dark: bool = False,
    ) -> None:
        """Loads a page, for a screen of some size in pixels.

        Args:
            page: A file on the disk, or a URL.
            width: The width of the screen; below 500 it is that of a phone.
            height: The height of the screen.
            dark: Whether the reader prefers dark pages.
        """
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = {"name": "prefers-color-scheme"}
        scheme["value"] = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        url = page if isinstance(page, str) else page.resolve().as_uri()
        self.call("Page.navigate", url=url)
        while not self.told("Page.loadEventFired"):
            self._read()

    def told(self, method: str) -> list[dict[str, Any]]:
        """Returns the events of a kind since the page was opened."""
        return [e["params"] for e in self.events if e["method"] == method]

    def evaluate(self, script: str) -> Any:
        """Returns the value of an expression or of its promise on the page."""
        result = self.call(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"])
        return result["result"].get("value")

    def until(self, script: str, frames: int = 600) -> None:
        """Waits until an expression is true, for so many frames at most.

        Raises:
            RuntimeError: If it is false in the last of them, too.
        """
        self.evaluate(f"""(async () => {{
            for (let frame = 0; frame < {frames}; frame++) {{
              if ({script}) return;
              await new Promise(requestAnimationFrame);
            }}
            throw new Error("never true: " + {json.dumps(script)});
        }})()""")

    def press(self, key: str, modifiers: int = 0) -> None:
        """Presses a key, such as "ArrowLeft" or "a", and lets it go.

        Args:
            key: The key, as KeyboardEvent.key names it.
            modifiers: 1 for Alt, 2 for Ctrl, 4 for Meta, 8 for Shift; or a
                sum.
        """
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        text = "" if modifiers & ~8 else text
        event = {"key": key, "modifiers": modifiers}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **event)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def mouse(self, kind: str, x: float, y: float, modifiers: int = 0) -> None:
        """Moves the mouse, or presses or releases its left button.

        Args:
            kind: "Moved", "Pressed" or "Released".
            x: CSS pixels from the left of the screen.
            y: CSS pixels from its top.
            modifiers: As those of `press`.
        """
        self.call(
            "Input.dispatchMouseEvent",
            type=f"mouse{kind}",
            x=x,
            y=y,
            button="left",
            buttons=int(kind != "Released"),
            clickCount=1,
            modifiers=modifiers,
        )

    def click(self, element: str, modifiers: int = 0) -> None:
        """Clicks in the middle of the element that an expression returns."""
        box = self.evaluate(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])("
            f"{element}.getBoundingClientRect())"
        )
        for kind in ("Pressed", "Released"):
            self.mouse(kind, *box, modifiers)

    def download(self, element: str, directory: pathlib.Path) -> bytes:
        """Clicks on what saves a file, and returns the file's content.

        Args:
            element: An expression for the element to click on.
            directory: An empty directory for the file.
        """
        self.call(
            "Browser.setDownloadBehavior",
            behavior="allow",
            downloadPath=str(directory),
            eventsEnabled=True,
        )
        self.events.clear()
        self.click(element)
        while True:
            states = self.told("Browser.downloadProgress")
            if states and states[-1]["state"] == "completed":
                break
            self._read()
        name = self.told("Browser.downloadWillBegin")[-1]["suggestedFilename"]
        return (directory / name).read_bytes()

    def screenshot(self, path: pathlib.Path, **clip: float) -> None:
        """Writes the page, or the part `clip` of it, as a PNG file."""
        options: dict[str, Any] = {"captureBeyondViewport": True}
        if clip:
            options["clip"] = {"scale": 1, **clip}
        data = self.call("Page.captureScreenshot", **options)["data"]
        path.write_bytes(base64.b64decode(data))


@contextlib.contextmanager
def tab(browser: str, profile: pathlib.Path) -> Iterator[Tab]:
    """Starts a browser with one tab, and ends it afterwards.

    Args:
        browser: The path of the browser.
        profile: A directory for the browser's own files.
    """
    read, requests = os.pipe()
    answers, write = os.pipe()
    # The ends must not be descriptors 3 and 4, which `_START` overwrites.
    read, write = (_away(end) for end in (read, write))
    command = [browser, *FLAGS, f"--user-data-dir={profile}"]
    process = subprocess.Popen(
        [sys.executable, "-c", _START, str(read), str(write), *command],
        pass_fds=(read, write),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read)
    os.close(write)
    try:
        yield Tab(requests, answers)
    finally:
        process.kill()
        process.wait()
        os.close(requests)


def _away(descriptor: int) -> int:
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10)
    os.close(descriptor)
    return moved
