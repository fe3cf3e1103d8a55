"""Reads any record of a TFRecord or an ArrayRecord file, by its number.

TensorFlow's own reader of TFRecord files goes from the first record to the
last. A record begins with its length, so that a pass over these lengths finds
where each lies. The checksums of lengths are compared; those of the records
are not, which would take longer in Python than the decoding of images, whose
formats notice most damage.
"""

from __future__ import annotations

import functools
import struct
import threading
from typing import Any, Protocol

import numpy as np

from and_tf.data.readers import opening
from and_tf.data.readers.keeping import kept
from and_tf.utils.errors import InputError

TFRECORD, ARRAY_RECORD = "tfrecord", "array_record"
ENDINGS = {
    TFRECORD: (".tfrecord", ".tfrec"),
    ARRAY_RECORD: (".array_record", ".arrayrecord"),
}
_WANTED = {
    TFRECORD: "a TFRecord file that is whole",
    ARRAY_RECORD: "an ArrayRecord file that is whole",
}
_ADVICE = "Copy it again, or leave it out."
_HEAD = struct.Struct("<QI")  # A length and its checksum.
_TAIL = 4  # Bytes of a record's own checksum.
_POLYNOMIAL = 0x82F63B78  # Of CRC-32C, reflected.
_CHUNK = 2**16


class RecordFile(Protocol):
    """A file of numbered records."""

    size: int

    def get(self, number: int) -> bytes:
        """Returns a record."""


def opened(path: str, kind: str) -> RecordFile:
    """Opens a file of records.

    Args:
        path: The file.
        kind: `TFRECORD` or `ARRAY_RECORD`.

    Raises:
        InputError: If the file is not there, compressed, damaged or cut
            short, or a package is missing.
    """
    opening.check_file(path, _WANTED[kind])
    return _TfRecords(path) if kind == TFRECORD else _ArrayRecords(path)


class _TfRecords:
    """The records of a TFRecord file."""

    def __init__(self, path: str) -> None:
        self._path = path
        compute = functools.partial(_offsets, path)
        ends = kept([path], ("tfrecord", 1), list[int], compute)
        self._offsets = np.array(ends, np.int64)
        self.size = len(ends) - 1

    def get(self, number: int) -> bytes:
        first, end = self._offsets[number : number + 2].tolist()
        start = first + _HEAD.size
        return opening.read_part(self._path, start, end - _TAIL - start)


class _ArrayRecords:
    """The records of an ArrayRecord file."""

    def __init__(self, path: str) -> None:
        try:
            from array_record.python import array_record_module
        except ImportError as error:
            raise InputError(
                "Expected the package array_record, to read --dataset="
                f"{ARRAY_RECORD}. Received: {error}. Install the extra data: "
                "pip install '.[data]'."
            ) from error
        options = "readahead_buffer_size:0,max_parallelism:0"
        reader: Any = array_record_module.ArrayRecordReader
        try:
            self._reader = reader(path, options)
            if not self._reader.ok():  # Reading raises the reason.
                self._reader.read([0])
            self.size = self._reader.num_records()
        except Exception as error:  # Of several kinds, by its version.
            wanted = _WANTED[ARRAY_RECORD]
            raise opening.refused(path, wanted, error, _ADVICE) from error
        # Its documentation does not say that threads may share it.
        self._lock = threading.Lock()

    def get(self, number: int) -> bytes:
        with self._lock:
            return self._reader.read([number])[0]


def _offsets(path: str) -> list[int]:
    """Returns where each record begins, and where the last one ends.

    Raises:
        InputError: If a length is damaged, or the file ends within a record.
    """
    offsets, heads = [0], []
    size = opening.size_of(path)
    with opening.opened(path) as file:
        while offsets[-1] < size:
            head = file.read(_HEAD.size)
            heads.append(head)
            length = _HEAD.unpack(head)[0] if len(head) == _HEAD.size else size
            end = offsets[-1] + _HEAD.size + length + _TAIL
            if end > size:
                break
            offsets.append(end)
            if len(offsets) > opening.MOST_ROWS:
                break
            file.seek(end)
    wrong = _first_wrong([h for h in heads if len(h) == _HEAD.size])
    if wrong is not None or offsets[-1] != size:
        place = len(heads) - 1 if wrong is None else wrong
        raise opening.refused(
            path,
            _WANTED[TFRECORD],
            f"whose record {place:,} at byte {offsets[place]:,} is damaged or "
            "cut short",
            _ADVICE,
        )
    return offsets


def _first_wrong(heads: list[bytes]) -> int | None:
    """Returns the first record whose length does not fit its checksum."""
    for first in range(0, len(heads), _CHUNK):
        part = b"".join(heads[first : first + _CHUNK])
        rows = np.frombuffer(part, np.uint8).reshape(-1, _HEAD.size)
        said = rows[:, 8:].copy().view("<u4")[:, 0]
        wrong = np.flatnonzero(masked_crc32c(rows[:, :8]) != said)
        if len(wrong):
            return first + int(wrong[0])
    return None


def masked_crc32c(rows: np.ndarray) -> np.ndarray:
    """Computes the checksum of TFRecord files for each row.

    Args:
        rows: uint8 [n, b].

    Returns:
        uint32 [n]: CRC-32C, rotated and with a constant added.
    """
    table = _table()
    crc = np.full(len(rows), 0xFFFFFFFF, np.uint32)
    for column in rows.T:
        crc = table[(crc ^ column) & 0xFF] ^ (crc >> np.uint32(8))
    crc = ~crc
    rotated = (crc >> np.uint32(15)) | (crc << np.uint32(17))
    return rotated + np.uint32(0xA282EAD8)


@functools.cache
def _table() -> np.ndarray:
    """Returns the remainders of all bytes, uint32 [256]."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        odd = (table & 1).astype(bool)
        table = (table >> np.uint32(1)) ^ np.where(
            odd, np.uint32(_POLYNOMIAL), np.uint32(0)
        )
    return table
