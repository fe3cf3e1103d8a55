"""Finds where the members of a .tar file lie; nothing is ever extracted."""

from __future__ import annotations

import tarfile

import msgspec

from and_tf.data.readers import opening
from and_tf.data.walking import utf8
from and_tf.utils import archives

WANTED = "a .tar file that is whole"
ADVICE = "Copy it again, or leave it out."
LINKS = "that are links"
SPECIAL = "that are no ordinary files"
OUTSIDE = "whose paths lead out of the archive"


class Member(msgspec.Struct, array_like=True, frozen=True):
    """A member of an archive.

    Attributes:
        name: Its printable path, with slashes.
        offset: The position of its first byte in the archive.
        size: Its bytes.
        why_not: A reason for `Skipped` if it is left out, or "".
    """

    name: str
    offset: int
    size: int
    why_not: str = ""


def read(path: str) -> list[Member]:
    """Reads the headers of all members, one after another.

    Directories are passed over.

    Raises:
        InputError: If the file is not there, compressed, damaged or cut
            short.
    """
    opening.check_file(path, WANTED)
    members: list[Member] = []
    try:
        size = opening.size_of(path)
        with opening.opened(path) as file:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                last = -1
                while (info := archive.next()) is not None:
                    # A negative size would lead back to an earlier member.
                    if info.size < 0 or info.offset <= last:
                        raise ValueError("a member of a negative size")
                    last = info.offset
                    vars(archive)["members"].clear()  # It would keep all.
                    if not info.isdir():
                        members.append(_member(info, size))
            # tarfile takes damage, and the end of the file, for its end mark.
            file.seek(archive.offset)
            if file.read(512) != bytes(512):
                raise ValueError(f"it is damaged at byte {archive.offset:,}")
    except (*archives.DAMAGE, tarfile.TarError) as error:
        raise opening.refused(path, WANTED, error, ADVICE) from error
    return members


def is_outside(name: str) -> bool:
    """Returns whether a member's path would lie outside of its archive."""
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]


def plain(name: str) -> str:
    """Returns a member's path without needless parts."""
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _member(info: tarfile.TarInfo, size: int) -> Member:
    """Describes a member.

    Raises:
        ValueError: If the file ends within it.
    """
    name = utf8(info.name)
    if info.issym() or info.islnk():
        return Member(plain(name), 0, 0, LINKS)
    if not info.isreg() or info.issparse():
        return Member(plain(name), 0, 0, SPECIAL)
    if info.offset_data + info.size > size:
        raise ValueError(f"it ends within its member {name}")
    if is_outside(name):
        return Member(name, 0, 0, OUTSIDE)
    return Member(plain(name), info.offset_data, info.size)
