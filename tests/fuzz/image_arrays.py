"""Tries .npz files of images, as `export.embed` streams them."""

from __future__ import annotations

import io
import pathlib
import struct
import zipfile

import numpy as np
from hypothesis import strategies as st

from and_tf.data.pixel_format import RGB
from and_tf.utils import archives
from export.embeddings import array_file
from tests.fuzz.arrays import ARRAYS, Drawn
from tests.fuzz.mutations import Damaged, damaged
from tests.fuzz.target import Target, answer

N = 6
_ARRAYS = {
    "images": np.arange(N * 2 * 2 * 3, dtype=np.uint8).reshape(N, 2, 2, 3),
    "labels": np.arange(N) % 2,
    "class_names": np.array(["a", "b"]),
    "file_names": np.array([f"{i}.png" for i in range(N)]),
}
_SIDES = (-1, 0, 1, 2, 6, 2**16, 2**31, 2**62, 10**30)
_DTYPES = ("|u1", "<f4", "<i8", "<U3", "|O", "<U999999999", "x", "")


def make(directory: pathlib.Path) -> Target:
    """Makes a target that reads a file's header, texts and images."""
    files = {"stored": _content({}), "packed": _content({}, packed=True)}
    keys = st.sampled_from((*_ARRAYS, "more"))
    header = st.tuples(
        keys,
        st.lists(st.sampled_from(_SIDES), max_size=4).map(tuple),
        st.sampled_from(_DTYPES),
        st.booleans(),
    )
    other = st.one_of(st.dictionaries(keys, ARRAYS, max_size=2), header)
    path = directory / "images.npz"

    def check(value: Damaged | dict[str, Drawn] | tuple) -> None:
        if isinstance(value, Damaged):
            path.write_bytes(value.content(files))
        elif isinstance(value, dict):
            path.write_bytes(_content({k: v.array for k, v in value.items()}))
        else:
            key, *said = value
            path.write_bytes(_content({key: _member(*said)}))
        split = answer(lambda: array_file.read(path))
        if split is None:
            return
        assert 0 < split.size < 2**62
        assert split.labels is None or len(split.labels) == split.size
        _use(path, split.size)

    return Target(st.one_of(damaged(files), other), check)


def _content(changed: dict, packed: bool = False) -> bytes:
    """Makes an .npz file; a value of bytes becomes a member unchanged."""
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        for name, value in (_ARRAYS | changed).items():
            if not isinstance(value, bytes):
                member = io.BytesIO()
                np.save(member, value)
                value = member.getvalue()
            archive.writestr(f"{name}.npy", value)
    return buffer.getvalue()


def _member(shape: tuple[int, ...], dtype: str, fortran: bool) -> bytes:
    """Makes an array's file with any header and a few bytes of data."""
    text = repr({"descr": dtype, "fortran_order": fortran, "shape": shape})
    said = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(said)) + said + b"abc"


def _use(path: pathlib.Path, size: int) -> None:
    """Reads all images, which is when a truncated file is noticed."""
    with zipfile.ZipFile(path) as archive:
        headers = {
            name.removesuffix(".npy"): array_file._peek(archive, name)
            for name in archive.namelist()
            if name.endswith(".npy")
        }
    key = array_file._key(headers, path, RGB)
    count = 0
    try:
        for images, numbers in array_file.chunks(path, key, headers[key]):
            assert images.shape[1:3] == headers[key].shape[1:3]
            count += len(numbers)
    except archives.DAMAGE:
        return
    assert count == size
