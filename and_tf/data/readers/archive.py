"""Reads a .zip or .tar file of a folder, by the folder's rules.

No member is ever extracted, so that its path leads nowhere.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import threading
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

from and_tf.data import decode_cache, folder, image_endings, split_folders
from and_tf.data.readers import opening, tar_index
from and_tf.data.readers.keeping import kept
from and_tf.data.readers.reader import Reader
from and_tf.data.readers.splits import image_data
from and_tf.data.readers.tar_index import Member
from and_tf.data.request import Request
from and_tf.data.split import ImageData
from and_tf.data.walking import (
    FILE,
    FOLDER,
    Parts,
    Refused,
    Skipped,
    hidden,
    utf8,
    walk,
)
from and_tf.utils import archives

_WANTED = "a .zip or .tar file that is whole"
_ENCRYPTED = 1  # A bit of a zip member's flags.
# A member of more bytes that packs better is blank: a decompression bomb.
_LARGE = 2**24
_MOST_RATIO = 100


class _Members:
    """The tree of an archive's members, as `walking.Tree` describes it.

    Args:
        root: The path that stands for the archive's own.
        names: The paths of the members, with slashes.
    """

    def __init__(self, root: str, names: Sequence[str]) -> None:
        self._root = root
        self._folders: dict[str, dict[str, str]] = {"": {}}
        for name in names:
            *parents, last = name.split("/")
            for depth in range(len(parents)):
                above = "/".join(parents[:depth])
                self._folders.setdefault(above, {})[parents[depth]] = FOLDER
            inner = self._folders.setdefault("/".join(parents), {})
            inner.setdefault(last, FILE)

    def is_folder(self, path: str) -> bool:
        return self.place(path) in self._folders

    def entries(self, folder: str) -> list[tuple[str, str]]:
        found = self._folders.get(self.place(folder), {})
        return sorted((n, kind) for n, kind in found.items() if not hidden(n))

    def place(self, folder: str) -> str:
        relative = os.path.relpath(folder, self._root).replace(os.sep, "/")
        return "" if relative == "." else relative

    def holds_image(self, folder: str) -> bool:
        return any(
            self.holds_image(os.path.join(folder, name))
            if kind == FOLDER
            else image_endings.is_readable(name)
            for name, kind in self.entries(folder)
        )


class _Reader(Reader):
    """A reader of members of an archive.

    Args:
        path: The archive.
        members: The members that are images.
        packed: The archive if it is a .zip file.
        labels: int64 [N], -1 for none.
        class_names: The name of each class.
        skipped: What was found and left out.
    """

    def __init__(
        self,
        path: str,
        members: Sequence[Member],
        packed: zipfile.ZipFile | None,
        labels: np.ndarray,
        class_names: Sequence[str],
        skipped: tuple[Skipped, ...],
    ) -> None:
        self.names = [member.name for member in members]
        self.labels = labels
        self.class_names = class_names or None
        self.skipped = skipped
        self._path, self._members, self._packed = path, members, packed
        self._lock = threading.Lock()

    def read(self, number: int) -> bytes:
        member = self._members[number]
        if self._packed is None:
            return opening.read_part(self._path, member.offset, member.size)
        # Its offset is the member's place in the list of the archive, whose
        # count of open members is not made for threads.
        info = self._packed.infolist()[member.offset]
        with self._lock:
            file = self._packed.open(info)
        try:
            content = file.read(opening.MOST_BYTES + 1)
        finally:
            with self._lock:
                file.close()
        if len(content) != member.size:
            raise Refused("of another size than their archive says")
        return content

    def identity(self) -> str | None:
        path = os.fsencode(self._path)
        return decode_cache.identity([path], "archive", self.names)


def load(request: Request) -> ImageData:
    """Makes streamed splits of an archive's images.

    One folder around everything else is passed over: most archives of a
    folder have it. Below it, splits and classes are found as in a folder.

    Raises:
        InputError: If the file is neither a .zip nor a .tar, damaged, or
            holds no image.
    """
    path = request.place
    opening.check_file(path, _WANTED)
    packed, members = _open(path)
    skipped = [Skipped(m.name, m.why_not) for m in members if m.why_not]
    # As when they are extracted, the last of several members of a name counts.
    by_name = {m.name: m for m in members if m.name and not m.why_not}
    top = os.path.join(path, _top(by_name))
    tree = _Members(path, list(by_name))
    layout = split_folders.find(
        top, request.train_split, request.test_split, tree
    )
    roots = [root for root in (layout.train, layout.test) if root]
    places = [os.path.normpath(os.path.join(top, root)) for root in roots]
    walked = [walk(place, tree) for place in places]
    classes = folder.classes_of(p for one in walked for p in one.images)
    readers = {}
    roots = ["" if root == "." else root for root in roots]
    for root, place, found in zip(roots, places, walked, strict=True):
        readers[root] = functools.partial(
            _Reader,
            path,
            [by_name[_name(tree, place, parts)] for parts in found.images],
            packed,
            folder.labels_of(found.images, classes),
            tuple(map(utf8, classes)),
            tuple(sorted([*skipped, *found.skipped])),
        )
    remarks = (*layout.remarks, *folder.inner_splits(w.images for w in walked))
    return image_data(_named(request, roots), readers, remarks)


def _named(request: Request, roots: Sequence[str]) -> Request:
    """Returns the request for the splits that were found by name."""
    return dataclasses.replace(
        request,
        train_split=roots[0],
        test_split=roots[1] if roots[1:] else "",
    )


def _name(tree: _Members, place: str, parts: Parts) -> str:
    return tree.place(os.path.join(place, *parts))


def _top(names: Mapping[str, object]) -> str:
    """Returns the folder around everything else in an archive, or ""."""
    seen = [name for name in names if not hidden(name)]
    tops = {name.partition("/")[0] for name in seen if "/" in name}
    if len(tops) != 1 or any("/" not in name for name in seen):
        return ""
    top = tops.pop()
    return "" if split_folders.split_name(top) else top


def _open(path: str) -> tuple[zipfile.ZipFile | None, list[Member]]:
    """Lists the members of an archive, and opens a .zip file.

    Raises:
        InputError: If it is neither, or damaged.
    """
    with opening.opened(path) as file:
        head = file.read(4)
    if not head.startswith(b"PK"):
        compute = functools.partial(tar_index.read, path)
        return None, kept([path], ("tar", 1), list[Member], compute)
    try:
        packed = zipfile.ZipFile(opening.opened(path))
        members = [
            _zip_member(place, info)
            for place, info in enumerate(packed.infolist())
            if not info.is_dir()
        ]
    except archives.DAMAGE as error:
        raise opening.refused(path, _WANTED, error, tar_index.ADVICE) from error
    return packed, members


def _zip_member(place: int, info: zipfile.ZipInfo) -> Member:
    name, size = utf8(info.filename), info.file_size
    why = ""
    if tar_index.is_outside(name):
        why = tar_index.OUTSIDE
    elif (info.external_attr >> 28) == 0xA:  # As Unix marks a link.
        why = tar_index.LINKS
    elif info.flag_bits & _ENCRYPTED:
        why = "that are encrypted"
    elif size > opening.MOST_BYTES:
        why = f"of more than {opening.MOST_BYTES:,} bytes"
    elif size > max(_LARGE, _MOST_RATIO * info.compress_size):
        why = "of too few bytes for their size"
    return Member(name if why else tar_index.plain(name), place, size, why)
