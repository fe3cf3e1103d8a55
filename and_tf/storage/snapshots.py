"""Fetches what lies in a store as it is at one moment, and keeps it.

A snapshot is a directory of this machine, named after the names, sizes and
states of all its objects. It is never changed: when an object changes, the next
start makes another snapshot, in which all others are links to the same bytes,
and a run that reads the first goes on with what it began with. The store is
listed before and after, so that no snapshot has objects of two moments.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Mapping, Sequence

from and_tf.storage import places
from and_tf.storage.store import CONNECTIONS, Found, Store
from and_tf.utils import locks, temporary_files
from and_tf.utils.errors import InputError
from and_tf.utils.progress import Counted

ROUNDS = 3  # Of fetching what has changed in the meantime.
_PATIENCE = 7 * 86_400.0  # Seconds, while another process fetches the same.
_MIB = 2**20
_Names = Mapping[str, Found]


def fetched(url: str, wanted: Callable[[str], bool] = lambda name: True) -> str:
    """Fetches the object of a URL, or all that lie below it.

    Args:
        url: The URL of an object or of a folder of objects.
        wanted: Takes the name of an object relative to the folder, and
            returns whether it is fetched.

    Returns:
        The path of the file or directory, which has the name that is last in
        the URL.

    Raises:
        InputError: If nothing is there, the store cannot be read, or what is
            there changes again and again.
    """
    store = Store(url)
    last = url.rpartition("/")[2]

    def look() -> _Names:
        found = store.below(url)
        names = {
            f"{last}/{name}" if name else last: one
            for name, one in found.items()
            if not name or wanted(name)
        }
        if not names:
            raise InputError(
                f"Expected {url} to be there. Received: nothing of that name. "
                "Check the name of the bucket and what follows."
            )
        return names

    return os.path.join(_snapshot(store, url, look)[0], last)


def fetched_files(urls: Sequence[str]) -> list[str | None]:
    """Fetches single objects, which may lie anywhere.

    Returns:
        The path of each; None for an object that is not there.

    Raises:
        InputError: If a store cannot be read.
    """
    by_scheme: dict[str, list[str]] = {}
    for url in urls:
        by_scheme.setdefault(url.partition("://")[0], []).append(url)
    known: dict[str, str] = {}
    for scheme, those in by_scheme.items():
        store = Store(those[0])

        def look(store: Store = store, those: list[str] = those) -> _Names:
            found = store.named(those)
            named = {url.partition("://")[2]: url for url in found}
            fine = places.are_files(named)
            return {n: found[u] for n, u in named.items() if fine[n]}

        root, names = _snapshot(store, f"{scheme}://", look)
        known |= {one.url: os.path.join(root, n) for n, one in names.items()}
    return [known.get(url) for url in urls]


def _snapshot(
    store: Store, url: str, look: Callable[[], _Names]
) -> tuple[str, _Names]:
    """Makes the snapshot of what `look` finds, unless it is there.

    Returns:
        Its path, and what is in it.

    Raises:
        InputError: If it changes again and again.
    """
    names = look()
    for _ in range(ROUNDS):
        path = places.root() / "snapshots" / _digest(*sorted(names.items()))
        places.make(path.parent)
        with locks.exclusive(path, _PATIENCE):
            if path.is_dir():
                return str(path), names
            _fetch(store, url, list(names.values()))
            again = look()
            if again == names:
                _link(path, names)
                return str(path), names
        changed = min(set(names.items()) ^ set(again.items()))[0]
        print(
            f"objects of {url} changed while they were fetched, such as "
            f"{changed}; what has changed is fetched again"
        )
        names = again
    raise InputError(
        f"Expected {url} to stay as it is while it is fetched. Received: "
        f"objects that changed {ROUNDS} times. Wait for what writes there, "
        "then run it again; what did not change is kept."
    )


def _fetch(store: Store, url: str, objects: Sequence[Found]) -> None:
    """Fetches the objects that are not here yet, several at a time."""
    missing = [one for one in objects if not _kept(one).is_file()]
    total = sum(one.size or 0 for one in missing) // _MIB
    done = 0
    with (
        Counted(f"fetch {url} (MiB)", total) as progress,
        concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool,
    ):
        waiting = {pool.submit(_keep, store, one): one for one in missing}
        try:
            for future in concurrent.futures.as_completed(waiting):
                future.result()
                before = done // _MIB
                done += waiting[future].size or 0
                progress.advance(done // _MIB - before)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _keep(store: Store, one: Found) -> None:
    try:
        store.download(one, _kept(one))
    except FileNotFoundError:
        pass  # It has changed, which the next look at the store shows.


def _kept(one: Found) -> pathlib.Path:
    """Returns the place of an object's bytes in one of its states."""
    name = _digest(one.url, one.state)
    return places.root() / "objects" / name[:2] / name


def _link(path: pathlib.Path, names: _Names) -> None:
    """Makes the directory of a snapshot at once, of bytes that are here."""
    with temporary_files.directory(path.parent) as made:
        for name, one in names.items():
            target = made / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(_kept(one), target)
            except FileNotFoundError:
                raise InputError(
                    f"Expected {one.url} to be readable, as its folder says. "
                    "Received: no such object. Run it again."
                ) from None
            except OSError:  # A file system without links.
                shutil.copyfile(_kept(one), target)
        made.rename(path)


def _digest(*values: object) -> str:
    text = json.dumps(values)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]
