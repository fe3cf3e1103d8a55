"""Keeps a directory of this machine and its URL in a store alike.

What a command writes for s3://bucket/run goes to a working copy here, and is
then sent: files that others rest on first, those that make them count last. An
object appears whole or not at all, so that who reads the store never sees half
of a checkpoint. Beside the copies, an entry for each file says in which state
both sides were last alike. By it, one that changed here is told from one that
changed there.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import pathlib
import platform
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from and_tf.storage import places
from and_tf.storage.store import CONNECTIONS, Found, Store
from and_tf.utils import atomic_files, locks
from and_tf.utils.errors import InputError

_PATIENCE = 3_600.0  # Seconds, while another process here sends or fetches.
_REMEDY = "Make room, then run it again."
_LOOKS = 3  # At a store in which objects come and go.
_WRITER = ".writer.json"
_COUNT_LAST = ("result.json", "saved_model.pb")


class WorkingCopy:
    """The copy of what lies below a URL, or of a file there with its kin.

    Args:
        path: The directory, see `places.place`.
        only: Takes a name relative to it, and returns whether it belongs.
        last: The name that is sent after all others; "" for none.
    """

    def __init__(
        self,
        path: pathlib.Path,
        only: Callable[[str], bool] = lambda name: True,
        last: str = "",
    ) -> None:
        url = places.url_of(path)
        assert url is not None  # As `of` has seen.
        self.path, self.url = path.absolute(), url
        self._only, self._last = only, last
        self._store = Store(url)
        self._writer = b""

    @classmethod
    def of(cls, path: pathlib.Path) -> WorkingCopy | None:
        """Returns the working copy in a path; None for any other path."""
        return cls(path) if places.url_of(path) else None

    def pull(self, *names: str) -> None:
        """Brings what has changed in the store here.

        A file that changed only here is left alone.

        Args:
            *names: The names to look at; none looks at all.

        Raises:
            InputError: If the store cannot be read.
        """
        with self._alone():
            for _ in range(_LOOKS):
                found = self._there(names)
                changed = [n for n in found if self._to_fetch(n, found[n])]
                if self._fetch({name: found[name] for name in changed}):
                    break
            else:
                raise InputError(
                    f"Expected {self.url} to stay as it is while it is read. "
                    "Received: files that come and go. Run it again."
                )
            for name in self._names_here(names):
                if name not in found and self._is_as_sent(name):
                    (self.path / name).unlink()
                    self._entry(name).unlink()

    def push(self) -> None:
        """Sends what has changed here.

        A checkpoint or result.json that was removed here is removed there
        too, after all else was sent.

        Raises:
            InputError: If the store cannot be written to, or another process
                has taken over since `take_over`.
        """
        with self._alone():
            self._check_writer()
            changed = [n for n in self._names_here() if self._to_send(n)]
            for rank in range(3):
                self._send([n for n in changed if self._rank(n) == rank])
            for name in self._sent_and_removed():
                self._store.delete(self._url(name))
                self._entry(name).unlink()

    def push_or_tell(self) -> None:
        """Sends what has changed; prints a line if the store is not there.

        Raises:
            InputError: If another process has taken over.
        """
        try:
            self.push()
        except _TakenOver:
            raise
        except InputError as error:
            print(
                f"not sent yet: {error} It is complete in {self.path}, and is "
                "sent with the next checkpoint."
            )

    def take_over(self) -> None:
        """Makes this process the one that writes there.

        No store has locks that end with a process. So the last one to come
        writes, as it is when a run goes on elsewhere, and the one before ends
        when it next sends something.
        """
        mark = {
            "id": secrets.token_hex(16),
            "host": platform.node(),
            "process": os.getpid(),
        }
        self._writer = json.dumps(mark).encode()
        self._store.write(self._url(_WRITER), self._writer)

    def _check_writer(self) -> None:
        if not self._writer:
            return
        now = self._store.read(self._url(_WRITER))
        if now != self._writer:
            with contextlib.suppress(ValueError):
                mark = json.loads(now)
                now = f"{mark.get('process')} of {mark.get('host')}".encode()
            raise _TakenOver(
                f"Expected to be the only process that writes to {self.url}. "
                f"Received: another one has taken over: {now.decode()}. "
                f"This one ends; what it did is in {self.path}."
            )

    def _send(self, names: list[str]) -> None:
        """Sends some files, several at a time."""

        def send(name: str) -> None:
            before = _state(self.path / name)
            if before is not None:
                found = self._store.upload(self.path / name, self._url(name))
                self._note(name, found, before)

        with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
            for future in [pool.submit(send, name) for name in names]:
                future.result()

    def _fetch(self, objects: dict[str, Found]) -> bool:
        """Fetches some objects; returns False if one was there no more."""

        def fetch(name: str) -> bool:
            path = self.path / name
            try:
                self._store.download(objects[name], path)
            except FileNotFoundError:
                return False
            self._note(name, objects[name], _state(path))
            return True

        with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
            return all(list(pool.map(fetch, objects)))

    def _to_fetch(self, name: str, found: Found) -> bool:
        if _state(self.path / name) is None:
            return True
        return self._noted(name).get("there") != found.state

    def _to_send(self, name: str) -> bool:
        return not self._is_as_sent(name)

    def _is_as_sent(self, name: str) -> bool:
        return self._noted(name).get("here") == _state(self.path / name)

    def _sent_and_removed(self) -> list[str]:
        """Returns what is removed there: only what this project removes.

        Whoever tidies up a cache removes files here, and none there.
        """
        start = self._entry("")
        entries = start.rglob("*.json") if start.is_dir() else ()
        names = [
            entry.relative_to(start).as_posix().removesuffix(".json")
            for entry in entries
        ]
        return [
            name
            for name in names
            if self._only(name)
            and not (self.path / name).exists()
            and (_is_checkpoint(name) or name.endswith("result.json"))
        ]

    def _rank(self, name: str) -> int:
        """Returns when a file is sent: 0 is first, 2 is last."""
        base = name.rpartition("/")[2]
        if base in _COUNT_LAST or name == self._last:
            return 2
        return 1 if _is_checkpoint(name) or base == "metrics.csv" else 0

    def _there(self, names: tuple[str, ...] = ()) -> dict[str, Found]:
        found = self._store.below(self.url)
        return {
            name: one
            for name, one in found.items()
            if name and self._belongs(name) and (not names or name in names)
        }

    def _names_here(self, names: tuple[str, ...] = ()) -> list[str]:
        files = self.path.rglob("*") if self.path.is_dir() else ()
        found = sorted(
            path.relative_to(self.path).as_posix()
            for path in files
            if path.is_file()
        )
        return [
            name
            for name in found
            if self._belongs(name) and (not names or name in names)
        ]

    def _belongs(self, name: str) -> bool:
        """Returns whether a file is sent: locks and unfinished ones are not."""
        hidden = any(part.startswith(".") for part in name.split("/"))
        return not hidden and self._only(name)

    def _url(self, name: str) -> str:
        return f"{self.url}/{name}"

    def _entry(self, name: str) -> pathlib.Path:
        scheme, _, rest = self.url.partition("://")
        start = places.root() / "entries" / scheme / rest
        return start / f"{name}.json" if name else start

    def _noted(self, name: str) -> dict[str, Any]:
        try:
            return json.loads(self._entry(name).read_text())
        except (OSError, ValueError):
            return {}

    def _note(self, name: str, found: Found, here: object) -> None:
        value = {"there": found.state, "here": here}
        atomic_files.write_json(self._entry(name), value, _REMEDY)

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        """Keeps other processes of this machine from sending meanwhile."""
        root = places.make(places.root())
        return locks.exclusive(root / "copies", _PATIENCE)


class _TakenOver(InputError):
    """The error of a process in whose place another one writes."""


@contextlib.contextmanager
def sent(
    path: pathlib.Path, *, directory: bool = False
) -> Iterator[pathlib.Path]:
    """Sends what a block writes to a path, if that stands for a URL.

    Before the block, what is there already comes here, so that a command
    sees it. If the block fails, nothing is sent.

    Args:
        path: The file or directory, see `places.place`.
        directory: Whether it is a directory. With a file, those beside it
            that share its stem are sent, such as its .json.

    Raises:
        InputError: If the store cannot be read or written to.
    """
    url = places.url_of(path)
    if url is None:
        yield path
        return
    copy = WorkingCopy(path)
    if not directory:
        start = f"{path.stem}."
        copy = WorkingCopy(
            path.parent, lambda name: name.startswith(start), path.name
        )
    copy.pull()
    yield path
    copy.push()
    print(f"sent to {url}")


def _state(path: pathlib.Path) -> list[int] | None:
    """Returns what changes with a file's content; None if it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _is_checkpoint(name: str) -> bool:
    return "checkpoints" in name.split("/")[:-1]
