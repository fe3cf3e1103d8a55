"""Talks to an object store through fsspec, patiently, and in sentences.

Each request that fails for the network is tried again, each time after twice
the pause, as stores ask of their clients. What cannot succeed, such as a name
that is not there or a key that is refused, is not tried again.
"""

from __future__ import annotations

import concurrent.futures
import errno
import os
import pathlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from and_tf.storage import places
from and_tf.utils import atomic_files, paths
from and_tf.utils.errors import InputError
from and_tf.utils.reasons import reason

TRIES = 5
PAUSE = 0.5  # Seconds after the first failure; doubled after each.
CONNECTIONS = 16
CONNECT, READ = 20.0, 60.0  # Seconds without an answer, or without a byte.
_FINAL = (
    FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError,
    ImportError, NotImplementedError, TypeError, ValueError,
)  # fmt: skip
_OF_THIS_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; "
    "FSSPEC_S3='{\"anon\": true}' reads public buckets without any",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or gcloud's own login",
    "hf": "HF_TOKEN",
}
# What tells two states of an object apart, by the names that stores give it.
_MARKS = ("ETag", "etag", "md5Hash", "generation", "blob_id", "VersionId")
_TIMES = ("LastModified", "updated", "mtime", "last_modified", "created")
T = TypeVar("T")


class Found(NamedTuple):
    """An object in a store.

    Attributes:
        url: Its URL.
        size: Its size in bytes; None if the store does not tell.
        state: A text that changes with its content.
    """

    url: str
    size: int | None
    state: str


class Store:
    """The store of a URL.

    Args:
        url: Any URL of it.

    Raises:
        InputError: If a package is missing.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        scheme = url.partition("://")[0]
        import fsspec

        try:
            self._files = fsspec.filesystem(scheme, **_options(scheme))
        except ImportError as error:
            raise InputError(
                f"Expected the package {paths.STORES[scheme]}, to read {url}. "
                f"Received: {reason(error)}. Install the extra stores: "
                "pip install '.[stores]'."
            ) from error
        except Exception as error:  # A client that cannot begin, of any kind.
            raise refused(url, error) from error

    def below(self, url: str) -> dict[str, Found]:
        """Lists the objects below a URL, by their names relative to it.

        Objects that stand for folders are left out. Names that can be no
        files are left out too, with a line that says so.

        Returns:
            The objects; that of the URL itself, if it is one, has the name
            "". None are found where there is nothing.

        Raises:
            InputError: If the store cannot be read.
        """
        start = self._key(url)
        nothing: dict[str, dict[str, Any]] = {}
        found = self._tried(
            url, lambda: self._files.find(start, detail=True), nothing
        )
        objects = {}
        for key, info in found.items():
            name = key.rstrip("/").removeprefix(start).removeprefix("/")
            folder = key.endswith("/") or info.get("type") == "directory"
            if not folder and (key == start or key.startswith(f"{start}/")):
                objects[name] = _found(f"{url}/{name}" if name else url, info)
        if list(objects) == [""]:
            return objects
        objects.pop("", None)  # A folder's mark, without a slash at its end.
        fine = places.are_files(objects)
        left = [name for name, good in fine.items() if not good]
        if left:
            print(
                f"left out {len(left):,} of {url} whose names can be no files "
                f"of a folder, such as {left[0]!r}"
            )
        return {name: one for name, one in objects.items() if fine[name]}

    def named(self, urls: Iterable[str]) -> dict[str, Found]:
        """Looks for single objects; those that are not there are left out.

        Where several lie in one folder, that is listed, which takes one
        request for a thousand objects.

        Raises:
            InputError: If the store cannot be read.
        """
        folders: dict[str, list[str]] = {}
        for url in urls:
            folders.setdefault(url.rpartition("/")[0], []).append(url)

        def look(folder: str) -> dict[str, Found]:
            wanted = folders[folder]
            if len(wanted) == 1:
                none: dict[str, Any] = {}
                info = self._tried(wanted[0], self._info(wanted[0]), none)
                infos = [info] if info else []
            else:
                place = self._key(folder)
                infos = self._tried(
                    folder, lambda: self._files.ls(place, detail=True), []
                )
            by_key = {info["name"]: info for info in infos}
            return {
                url: _found(url, by_key[self._key(url)])
                for url in wanted
                if by_key.get(self._key(url), {}).get("type") == "file"
            }

        found: dict[str, Found] = {}
        for some in _in_parallel(look, folders):
            found |= some
        return found

    def download(self, one: Found, path: pathlib.Path) -> None:
        """Writes an object to a file, whole or not at all.

        Raises:
            FileNotFoundError: If the object is not there any more.
            InputError: If it cannot be read, or the file not be written.
        """

        def fetch() -> None:
            atomic_files.write(path, fill, "Make room, then run it again.")

        def fill(file: Any) -> None:
            # `write` would take an OSError of the store for one of this disk.
            try:
                self._files.get_file(self._key(one.url), file.name)
            except FileNotFoundError as error:
                raise _Gone from error
            except OSError as error:
                if error.errno in _OF_THIS_DISK:
                    raise
                raise _OfStore(error) from error
            size = os.stat(file.name).st_size
            if one.size is not None and size != one.size:
                raise _Gone  # It has changed, as a listing will show.

        try:
            self._tried(one.url, fetch)
        except _Gone as error:
            raise FileNotFoundError(one.url) from error

    def upload(self, path: pathlib.Path, url: str) -> Found:
        """Writes a file to an object, which appears whole or not at all.

        Raises:
            InputError: If it cannot be written.
        """
        key = self._key(url)
        self._tried(url, lambda: self._files.put_file(str(path), key))
        return _found(url, self._tried(url, self._info(url)))

    def delete(self, url: str) -> None:
        """Removes an object, if it is there.

        Raises:
            InputError: If it cannot be removed.
        """
        self._tried(url, lambda: self._files.rm_file(self._key(url)), None)

    def read(self, url: str) -> bytes:
        """Reads a small object; b"" if it is not there.

        Raises:
            InputError: If it cannot be read.
        """
        return self._tried(
            url, lambda: self._files.cat_file(self._key(url)), b""
        )

    def write(self, url: str, content: bytes) -> None:
        """Writes a small object.

        Raises:
            InputError: If it cannot be written.
        """
        key = self._key(url)
        self._tried(url, lambda: self._files.pipe_file(key, content))

    def _key(self, url: str) -> str:
        return self._files._strip_protocol(url).rstrip("/")

    def _info(self, url: str) -> Callable[[], dict[str, Any]]:
        return lambda: self._files.info(self._key(url))

    def _tried(self, url: str, work: Callable[[], T], *instead: T) -> T:
        """Does some work, and repeats it if the network fails.

        Args:
            url: What it is about.
            work: The work.
            *instead: The value if nothing is there; none raises an error.

        Raises:
            InputError: If it fails again and again, or can only fail.
        """
        for tried in range(TRIES):
            self._files.invalidate_cache()
            try:
                return work()
            except (InputError, _Gone):
                raise
            except FileNotFoundError as error:
                if instead:
                    return instead[0]
                raise refused(url, error) from error
            except Exception as error:  # Each client has kinds of its own.
                said = error.error if isinstance(error, _OfStore) else error
                final = isinstance(said, _FINAL) or _is_refusal(said)
                if final or tried + 1 == TRIES:
                    raise refused(url, said) from error
            time.sleep(PAUSE * 2**tried)
        raise AssertionError("unreachable")


class _Gone(Exception):
    """An object that is not there any more, or has another size."""


class _OfStore(Exception):
    """An OSError that is the store's, and not this machine's."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.error = error


def refused(url: str, error: BaseException) -> InputError:
    """Makes the error for a URL that cannot be read or written."""
    told = reason(error, kind=True)
    scheme = url.partition("://")[0]
    if isinstance(error, FileNotFoundError):
        return InputError(
            f"Expected {url} to be there. Received: {told}. Check the name of "
            "the bucket and what follows."
        )
    if isinstance(error, PermissionError) or _is_refusal(error):
        how = _CREDENTIALS.get(scheme, "those of the store")
        return InputError(
            f"Expected credentials that open {url}. Received: {told}. Set "
            f"{how}."
        )
    return InputError(
        f"{url} cannot be reached: {told}. Check the network, then run it "
        "again; what has been fetched or sent is kept."
    )


def _options(scheme: str) -> dict[str, Any]:
    """Returns the options of a client: its patience, and no old listings."""
    if scheme == "s3":
        config = {
            "connect_timeout": CONNECT,
            "read_timeout": READ,
            "max_pool_connections": CONNECTIONS,
            # Failures are repeated here, and not once more below.
            "retries": {"mode": "standard", "total_max_attempts": 1},
        }
        return {"use_listings_cache": False, "config_kwargs": config}
    if scheme == "gs":
        return {"use_listings_cache": False, "requests_timeout": READ}
    return {}


def _is_refusal(error: BaseException) -> bool:
    """Returns whether a client has no key, whose error is of its own kind."""
    return "Credential" in type(error).__name__


def _found(url: str, info: Mapping[str, Any]) -> Found:
    marks = [str(info[name]) for name in _MARKS if info.get(name)]
    times = [str(info[name]) for name in _TIMES if info.get(name)]
    size = info.get("size")
    return Found(url, size, " ".join([str(size), *marks, *times[:1]]))


def _in_parallel(work: Callable[[str], T], those: Iterable[str]) -> Iterable[T]:
    with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
        yield from pool.map(work, those)
