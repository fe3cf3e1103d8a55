"""CIFAR-10's sources, with a tiny package made like the real one."""

from __future__ import annotations

import hashlib
import io
import json
import pathlib
import tarfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from and_tf.data import cifar10
from and_tf.utils.errors import InputError

BATCH = 2  # Images in a file, 10,000 in the real package.
LINK = b""
NO_ANSWER = "no answer from anybody"


class Package:
    """A package of 10 and 2 images, and what is in it."""

    def __init__(self, rng: np.random.Generator) -> None:
        counts = {"train": 5 * BATCH, "test": BATCH}
        self.images = {
            split: rng.integers(0, 256, (count, 32, 32, 3), np.uint8)
            for split, count in counts.items()
        }
        self.labels = {
            split: rng.integers(0, 10, count).tolist()
            for split, count in counts.items()
        }
        self.members = {
            f"data_batch_{i + 1}.png": self.png(rows)
            for i, rows in enumerate(np.split(self.images["train"], 5))
        }
        self.members["test_batch.png"] = self.png(self.images["test"])
        for split, labels in self.labels.items():
            content = json.dumps(labels).encode()
            self.members[f"{split}_lables.json"] = content

    @staticmethod
    def png(images: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(images.reshape(-1, 1024, 3)).save(buffer, "PNG")
        return buffer.getvalue()

    def write(self, path: pathlib.Path) -> str:
        """Writes the archive and gives its SHA-256."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w:gz") as archive:
            for name, content in self.members.items():
                member = tarfile.TarInfo(f"package/{name}")
                if content is LINK:
                    member.type, member.linkname = tarfile.SYMTYPE, "/dev/zero"
                else:
                    member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def package(rng: np.random.Generator) -> Package:
    return Package(rng)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may reach TFDS' server or npm's registry."""
    monkeypatch.setattr(cifar10, "try_download", lambda *_: NO_ANSWER)
    monkeypatch.setattr(cifar10.shutil, "which", lambda _: None)


def _builder(data_dir: pathlib.Path) -> tfds.core.DatasetBuilder:
    return tfds.builder("cifar10", data_dir=data_dir)


def _assert_prepared(data_dir: pathlib.Path, package: Package) -> None:
    """Holds what TFDS reads against the package; nothing else is left."""
    assert [path.name for path in data_dir.glob("cifar10/*")] == ["3.0.2"]
    assert not list(data_dir.glob("incomplete*"))
    splits, info = tfds.load(
        "cifar10", data_dir=data_dir, download=False, with_info=True
    )
    assert info.features["label"].names[3] == "cat"
    for split, dataset in splits.items():
        examples = list(tfds.as_numpy(dataset))
        assert len(examples) == len(package.labels[split])
        for example in examples:
            name, number = example["id"].decode().split("_")
            assert name == split
            image = package.images[split][int(number)]
            np.testing.assert_array_equal(example["image"], image)
            assert example["label"] == package.labels[split][int(number)]


def test_reads_the_package_in_its_order(
    tmp_path: pathlib.Path, package: Package
) -> None:
    path = tmp_path / "a.tgz"
    arrays = cifar10.read_package(path, package.write(path), BATCH)
    for split, (images, labels) in arrays.items():
        np.testing.assert_array_equal(images, package.images[split])
        np.testing.assert_array_equal(labels, package.labels[split])


@pytest.mark.parametrize(
    ("member", "content"),
    [
        ("data_batch_3.png", None),
        ("data_batch_3.png", LINK),
        ("data_batch_3.png", bytes(1_000_000)),
        ("test_batch.png", Package.png(np.zeros((3, 32, 32, 3), np.uint8))),
        ("test_lables.json", b"[1]"),
    ],
)
def test_refuses_a_package_of_another_making(
    tmp_path: pathlib.Path, package: Package, member: str,
    content: bytes | None, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(cifar10, "_MEMBER_BYTES", 500_000)
    del package.members[member]
    if content is not None:
        package.members[member] = content
    sha256 = package.write(tmp_path / "downloads" / cifar10.ARCHIVE)
    with pytest.raises(InputError, match=cifar10.ARCHIVE):
        cifar10.prepare(_builder(tmp_path), sha256, BATCH)
    assert [path.name for path in tmp_path.iterdir()] == ["downloads"]


def test_an_archive_put_there_by_hand_is_taken_first(
    tmp_path: pathlib.Path, package: Package,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(cifar10, "try_download", pytest.fail)
    sha256 = package.write(tmp_path / "downloads" / cifar10.ARCHIVE)
    cifar10.prepare(_builder(tmp_path), sha256, BATCH)
    _assert_prepared(tmp_path, package)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1 and str(tmp_path / "cifar10") in err


def test_tfds_comes_before_npm(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifar10, "try_download", lambda *_: "")
    monkeypatch.setattr(cifar10, "npm_pack", pytest.fail)
    cifar10.prepare(_builder(tmp_path))


def _fake_npm(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    monkeypatch.setattr(cifar10.shutil, "which", lambda _: str(npm))


def test_npm_packs_into_a_directory_of_its_own(
    tmp_path: pathlib.Path, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = package.write(tmp_path / "registry.tgz")
    script = (
        f'[ "$1 $2" = "pack {cifar10.PACKAGE}" ] && '
        f"cp {tmp_path}/registry.tgz {cifar10.ARCHIVE}"
    )
    _fake_npm(tmp_path, monkeypatch, script)
    data_dir = tmp_path / "data"
    cifar10.prepare(_builder(data_dir), sha256, BATCH)
    _assert_prepared(data_dir, package)
    assert [path.name for path in data_dir.iterdir()] == ["cifar10"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo npm error code ENOTFOUND >&2; exit 1", "code ENOTFOUND"),
        (f"echo other > {cifar10.ARCHIVE}", "SHA-256"),
        ("true", "No such file"),
        (None, "npm is not installed"),
    ],
)
def test_what_was_tried_is_told_and_nothing_is_left(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch,
    script: str | None, reason: str,
) -> None:  # fmt: skip
    if script:
        _fake_npm(tmp_path, monkeypatch, script)
    data_dir = tmp_path / "data"
    with pytest.raises(InputError) as error:
        cifar10.prepare(_builder(data_dir))
    for part in (NO_ANSWER, reason, "--data_dir", "downloads", "=digits"):
        assert part in str(error.value)
    assert not list(data_dir.iterdir())


def test_an_interrupted_preparation_leaves_nothing(
    tmp_path: pathlib.Path, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        assert list(tmp_path.glob("cifar10/incomplete*"))  # Half-way.
        raise KeyboardInterrupt

    sha256 = package.write(tmp_path / "downloads" / cifar10.ARCHIVE)
    writer = tfds.core.writer.Writer
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(writer, "finalize", interrupt)
        cifar10.prepare(_builder(tmp_path), sha256, BATCH)
    assert not list(tmp_path.glob("**/incomplete*"))
    cifar10.prepare(_builder(tmp_path), sha256, BATCH)
    _assert_prepared(tmp_path, package)


def test_another_process_may_be_quicker(
    tmp_path: pathlib.Path, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = package.write(tmp_path / "downloads" / cifar10.ARCHIVE)
    slow = _builder(tmp_path)
    read_package = cifar10.read_package

    def wait(*args: object) -> cifar10.Arrays:
        monkeypatch.setattr(cifar10, "read_package", read_package)
        cifar10.prepare(_builder(tmp_path), sha256, BATCH)
        raise OSError("Directory not empty")

    monkeypatch.setattr(cifar10, "read_package", wait)
    cifar10.prepare(slow, sha256, BATCH)
    _assert_prepared(tmp_path, package)


def test_a_directory_that_cannot_be_made(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Give another with --data_dir"):
        cifar10.prepare(_builder(tmp_path / "file"))
