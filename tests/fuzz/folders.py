"""Tries trees of folders on `and_tf.data.folder`."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import socket
from collections.abc import Iterator

from hypothesis import strategies as st

from and_tf.data import folder
from and_tf.data.image_file import read_or_none
from and_tf.data.split import ImageData, Split
from and_tf.data.walking import summaries
from tests.fuzz import valid_images
from tests.fuzz.target import Target, answer

NOBODY = 65_534
_FOLDERS = (
    "train", "Train", "TEST", "test", "seg_train", "seg_test", "valid", "val",
    "images", "cat", "caf\u00e9", "cafe\u0301", ".hidden", "__MACOSX", "a\nb",
    "\x1b[2J", "\udcff", " ", "-rf", "x.jpg", "\u202etxt", "checkpoints",
    "n" * 255,
)  # fmt: skip
_STEMS = ("a", "B", ".b", "caf\u00e9", "cafe\u0301", "a\nb", "\udcff", "*", "")
_ENDINGS = (".png", ".PNG", ".jpg", ".heic", ".dcm", ".txt", ".tif", "")
_MARKS = ("flags.cfg", "checkpoints", "table.md", "table.csv", "plot.png")
_KINDS = (
    "image", "image", "broken", "empty", "fifo", "socket", "unreadable",
    "to itself", "to nothing", "to parent", "folder",
)  # fmt: skip


def make(directory: pathlib.Path) -> Target:
    """Makes a target that compares the images found with the files."""
    root = directory / "tree"
    images = valid_images.files()["PNG RGB"]
    folders = st.lists(st.sampled_from(_FOLDERS), max_size=3).map(tuple)
    names = st.one_of(
        st.builds(str.__add__, st.sampled_from(_STEMS), _of(_ENDINGS)),
        _of(_MARKS),
    )
    entry = st.tuples(folders, names, _of(_KINDS))
    locked = st.lists(st.tuples(folders), max_size=1)

    def check(value: tuple[list, list, str]) -> None:
        entries, closed, split = value
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        for parts, name, kind in entries:
            _put(root.joinpath(*parts, name or "x"), kind, images)
        for (parts,) in closed:
            if root.joinpath(*parts).is_dir():
                root.joinpath(*parts).chmod(0)
        with _as_nobody():
            data = answer(lambda: folder.read(str(root), split))
            if data is not None:
                _check(root, data)
            every = answer(lambda: folder.read_all(str(root)))
            if every is not None:
                _check_split(every)

    return Target(
        st.tuples(
            st.lists(entry, min_size=1, max_size=8),
            locked,
            _of(("", "", "train", "../tree", "cat", "x\0")),
        ),
        check,
    )


def _of(values: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.sampled_from(values)


def _put(path: pathlib.Path, kind: str, image: bytes) -> None:
    """Creates an entry of a folder, unless another is in its way."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(path):
            return
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "socket":
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(os.fspath(path))
        elif kind == "folder":
            path.mkdir()
        elif kind.startswith("to "):
            to = {"itself": path.name, "parent": ".."}
            path.symlink_to(to.get(kind[3:], "nothing-is-there"))
        else:
            content = {"broken": image[:40], "empty": b""}.get(kind, image)
            path.write_bytes(content)
            path.chmod(0 if kind == "unreadable" else 0o644)


@contextlib.contextmanager
def _as_nobody() -> Iterator[None]:
    """Gives up root's rights in the block, because root can read everything."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def _check(root: pathlib.Path, data: ImageData) -> None:
    for text in data.remarks:
        text.encode()
    for split in filter(None, (data.train, data.test)):
        _check_split(split)
        for name in split.file_names:
            # Its header could be read, which only complete files here have.
            image = read_or_none(os.path.join(root, name))
            assert image is not None, name


def _check_split(split: Split) -> None:
    assert len(split.file_names) == split.size > 0
    assert len(set(split.file_names)) == split.size, "a name occurs twice"
    for text in (*summaries(split.skipped), *(split.class_names or ())):
        text.encode()
    if split.labels is not None:
        assert len(split.labels) == split.size
        assert split.labels.max() < len(split.class_names)
        assert split.labels.min() >= -1
