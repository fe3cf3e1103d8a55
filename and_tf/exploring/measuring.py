"""Reads every file of a folder once, and measures and embeds its image.

Threads read, hash, decode and measure files while the encoder embeds the
images before them. At most some hundred images wait for the encoder, shrunk to
its size, so that memory does not grow with the number of files but for the
result.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import io
import os
import stat
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import BinaryIO, NamedTuple, TextIO, cast

import numpy as np
import tensorflow as tf
from PIL import ImageFile

from and_tf.data import image_file, walking
from and_tf.data.pixel_format import RGB, PixelFormat
from and_tf.data.preprocessing import centre_square
from and_tf.data.walking import Skipped
from and_tf.exploring import measured, measures
from and_tf.exploring.measured import Measured
from and_tf.exploring.store import Row, State, Store
from and_tf.utils.errors import InputError
from and_tf.utils.pictures import picture
from and_tf.utils.progress import Counted

Encode = Callable[[np.ndarray], np.ndarray]
PART = 256  # Files in a part of the store, rounded up to whole batches.
_AHEAD = 4  # Files that each thread has in work or waiting.
# Larger files are read twice, for their hash and their pixels, in place of
# being held in memory.
_HELD = 2**26
_NO_IMAGE = np.zeros((0, 0, 3), np.uint8)


class _File(NamedTuple):
    """A file to measure.

    Attributes:
        path: Its path.
        name: Its path below the folder, printable.
    """

    path: str
    name: str

    @property
    def key(self) -> str:
        return os.path.abspath(self.path)


class _Looked(NamedTuple):
    """The result of a thread that looked at a file.

    Attributes:
        file: The file.
        state: Its state when it was read.
        row: What was measured, without an embedding; None if it is unreadable.
        image: uint8 [S, S, C], the image for the encoder; empty without a row.
        reason: Why the file cannot be read.
    """

    file: _File
    state: State = State(0, 0)
    row: Row | None = None
    image: np.ndarray = _NO_IMAGE
    reason: str = ""


def measure(
    files: Sequence[walking.Parts],
    root: str,
    encode: Encode,
    store: Store,
    *,
    image_size: int,
    split: str = "",
    batch_size: int = 64,
    threads: int | None = None,
    stream: TextIO | None = None,
    form: PixelFormat = RGB,
) -> Measured:
    """Measures the images below a folder.

    Files that the store knows are not read again. Files that end too early are
    measured as far as Pillow decodes them. Others that cannot be read are left
    out and named. A path that is given twice is one row.

    Args:
        files: The parts of each file's path below the folder, as
            `walking.walk` returns them.
        root: The folder.
        encode: A function from images uint8 [B, S, S, C] to embeddings float32
            [B, D]. B is always the batch size.
        store: Where results are kept; entered.
        image_size: S, the side of the encoder's images.
        split: The split of all rows.
        batch_size: B.
        threads: The number of threads; None is one for each core.
        stream: Where the progress is shown; None is standard error.
        form: The channels of the encoder's images, and what their values mean.
            What is measured of colours is measured on pictures of them.

    Returns:
        A row for each readable file, sorted by path.

    Raises:
        InputError: If none of the files can be read, or the store's disk is
            full.
    """
    named = {parts: None for parts in sorted(set(files))}
    entries = [
        _File(os.path.join(root, *parts), walking.utf8(os.path.join(*parts)))
        for parts in named
    ]
    new = [file for file in entries if not _known(store, file)]
    job = _Job(encode, store, image_size, batch_size, threads, form)
    known = len(entries) - len(new)
    with Counted("measure", len(entries), known, stream) as progress:
        failed = job.run(new, progress)
        # Only now, as Pillow decodes parts of images for all threads or none.
        with parts_of_images():
            failed = job.run([bad.file for bad in failed], progress, last=True)
    return _result(entries, store, failed, root, split)


def _known(store: Store, file: _File) -> bool:
    try:
        return store.knows(file.key, _state(os.stat(file.path)))
    except OSError:
        return False


def _state(found: os.stat_result) -> State:
    return State(found.st_size, found.st_mtime_ns)


def _result(
    entries: Sequence[_File],
    store: Store,
    failed: Sequence[_Looked],
    root: str,
    split: str,
) -> Measured:
    """Collects the rows of all files but those that failed.

    Raises:
        InputError: If there are none.
    """
    reasons = {bad.file.path: bad.reason for bad in failed}
    good = [file for file in entries if file.path not in reasons]
    skipped = [
        Skipped(file.name, reasons[file.path])
        for file in entries
        if file.path in reasons
    ]
    if not good:
        received = "; ".join(walking.summaries(skipped)) or "no files"
        raise InputError(
            f"Expected images that can be read in {walking.utf8(root)}. "
            f"Received: {received}."
        )
    keys = [file.key for file in good]
    return measured.of_rows(
        [file.path for file in good],
        [file.name for file in good],
        [store.state(key).size for key in keys],
        store.rows(keys),
        split,
        skipped,
    )


@contextlib.contextmanager
def parts_of_images() -> Iterator[None]:
    """Lets Pillow decode what there is of an image that ends too early.

    It does so for all threads of the process.
    """
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


class _Job:
    """Measures and embeds files, and adds them to a store.

    Args:
        encode, store, image_size, batch_size, threads, form: See `measure`.
    """

    def __init__(
        self,
        encode: Encode,
        store: Store,
        image_size: int,
        batch_size: int,
        threads: int | None,
        form: PixelFormat,
    ) -> None:
        self._form = form
        self._encode = encode
        self._store = store
        self._image_size = image_size
        self._batch_size = batch_size
        self._part = -(-PART // batch_size) * batch_size
        self._threads = threads or os.cpu_count() or 1

    def run(
        self, files: Sequence[_File], progress: Counted, last: bool = False
    ) -> list[_Looked]:
        """Measures files; returns those that cannot be read.

        Args:
            files: The files.
            progress: Gets the number of files that are done.
            last: Whether these files could not be read as a whole before.
        """
        failed: list[_Looked] = []
        waiting: list[_Looked] = []
        with contextlib.closing(self._looked(files, last)) as results:
            for looked in results:
                if looked.row is None:
                    failed.append(looked)
                    progress.advance(int(last))
                    continue
                waiting.append(looked)
                if len(waiting) == self._part:
                    self._add(waiting)
                    progress.advance(len(waiting))
                    waiting = []
        self._add(waiting)
        progress.advance(len(waiting))
        return failed

    def _looked(
        self, files: Sequence[_File], last: bool
    ) -> Generator[_Looked, None, None]:
        """Looks at files in threads, and yields the results in order."""
        pending: collections.deque[concurrent.futures.Future[_Looked]]
        pending = collections.deque()
        with concurrent.futures.ThreadPoolExecutor(self._threads) as pool:
            try:
                for file in files:
                    pending.append(
                        pool.submit(
                            _look, file, self._image_size, last, self._form
                        )
                    )
                    if len(pending) >= _AHEAD * self._threads:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                for future in pending:
                    future.cancel()

    def _add(self, looked: Sequence[_Looked]) -> None:
        """Embeds images and adds their rows to the store."""
        if not looked:
            return
        images = np.stack([each.image for each in looked])
        size = self._batch_size
        # An accelerator compiles the encoder for each size of a batch.
        padding = [(0, -len(images) % size), (0, 0), (0, 0), (0, 0)]
        filled = np.pad(images, padding)
        embeddings = np.concatenate([
            np.asarray(self._encode(filled[start : start + size]), np.float32)
            for start in range(0, len(filled), size)
        ])  # fmt: skip
        self._store.add([
            (
                each.file.key,
                each.state,
                dataclasses.replace(each.row, embedding=embedding),
            )
            for each, embedding in zip(looked, embeddings, strict=False)
            if each.row
        ])  # fmt: skip


def _look(
    file: _File, image_size: int, truncated: bool, form: PixelFormat
) -> _Looked:
    """Reads, decodes and measures a file."""
    try:
        # Opening a pipe would wait forever.
        if not stat.S_ISREG(os.stat(file.path).st_mode):
            return _Looked(file, reason="that are no ordinary files")
        with open(file.path, "rb") as opened:
            state = _state(os.fstat(opened.fileno()))
            row, pixels = read_row(opened, state.size, truncated, form)
        with tf.device("CPU"):
            image = centre_square(pixels, image_size).numpy()
        return _Looked(file, state, row, image)
    except Exception as error:  # Pillow raises many kinds for broken files.
        return _Looked(file, reason=image_file.why_not_read(error))


def read_row(
    file: BinaryIO,
    size: int,
    truncated: bool = False,
    form: PixelFormat = RGB,
) -> tuple[Row, np.ndarray]:
    """Decodes and measures an open file.

    Args:
        file: The file.
        size: Its size in bytes.
        truncated: Whether it could not be read as a whole before.
        form: The channels that are read, and what their values mean.

    Returns:
        The measures without an embedding, and the pixels, uint8 [H, W, C].

    Raises:
        OSError, ValueError and others: If Pillow cannot read the file.
    """
    sha256, source = _hashed(file, size)
    decoded = image_file.decode(source, form)
    return _row(decoded, sha256, truncated), decoded.pixels


def _hashed(file: BinaryIO, size: int) -> tuple[str, BinaryIO]:
    """Returns the hash of a file, and what its image can be decoded from."""
    if size > _HELD:
        digest = hashlib.file_digest(cast(io.BufferedReader, file), "sha256")
        return digest.hexdigest(), file
    content = file.read()
    return hashlib.sha256(content).hexdigest(), io.BytesIO(content)


def _row(decoded: image_file.Decoded, sha256: str, truncated: bool) -> Row:
    height, width, _ = decoded.pixels.shape
    small = measures.shrunk(picture(decoded.pixels))
    return Row(
        sha256=sha256,
        pixels_sha256=_pixels_sha256(decoded),
        width=width,
        height=height,
        orientation=decoded.exif.orientation,
        taken=decoded.exif.taken,
        has_place=decoded.exif.has_place,
        truncated=truncated,
        measures=np.array(measures.measure(small), np.float32),
        grey=measures.grey(small),
        chroma=measures.chroma(small),
        thumbnail=measures.thumbnail(small),
        embedding=np.zeros(0, np.float32),
    )


def _pixels_sha256(decoded: image_file.Decoded) -> str:
    """Hashes an image, with its opacity where it is not opaque.

    On white, a white drawing on nothing is as blank as any other.
    """
    found = hashlib.sha256(repr(decoded.pixels.shape).encode())
    found.update(decoded.pixels.data)
    if decoded.alpha is not None:
        found.update(np.ascontiguousarray(decoded.alpha).data)
    return found.hexdigest()
